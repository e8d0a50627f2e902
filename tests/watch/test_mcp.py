"""A tool of a real MCP server (a child over stdio) as a place to look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tools.mcp_servers import TOY
from tests.tools.sites import looped
from tests.watch.places import SHARED, titles
from twotier.clock import SystemClock
from twotier.errors import WatchError
from twotier.tools.mcp import Servers
from twotier.tools.mcp_wire import ServerSpec
from twotier.watch.base import Around, Watcher
from twotier.watch.kinds import make

SPEC = ServerSpec("toy", TOY, tools=("echo", "refuse"))
SETTINGS: dict[str, Any] = {
    "kind": "mcp",
    "server": "toy",
    "tool": "echo",
    "items": "list",
    "id": "id",
    "title": "name",
    "text": "text",
    "author": "",
    "at": "",
    "link": "",
}


def saying(text: str, servers: Servers | None, home: Path, **changes: Any) -> Watcher:
    """A watcher of what the toy says again."""
    around = Around(home, SystemClock(), servers=servers)
    settings = SHARED | SETTINGS | {"arguments": {"text": text}} | changes
    return make(settings, around)


def answer(*names: str) -> str:
    return json.dumps(
        {"list": [{"id": name, "name": name, "text": f"of {name}"} for name in names]}
    )


@looped
async def test_new_parts_of_what_a_tool_says_are_found_once(tmp_path: Path) -> None:
    """The first answer is the baseline."""
    async with Servers([SPEC], clock=SystemClock()) as servers:
        first = await saying(answer("a"), servers, tmp_path).look(None)
        assert first.items == ()
        second = await saying(answer("b", "a"), servers, tmp_path).look(first.cursor)
        assert titles(second) == ["b"]
        third = await saying(answer("b", "a"), servers, tmp_path).look(second.cursor)
        assert (third.items, third.cursor) == ((), second.cursor)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arguments": {"text": "no"}}, "the answer of toy.echo is not JSON"),
        ({"arguments": {"text": "{}"}}, "toy.echo has no list at list"),
        ({"tool": "refuse"}, "toy.refuse failed: no such thing"),
        ({"tool": "crash"}, "does not allow 'crash'"),
        ({"server": "gone"}, "there is no MCP server 'gone'"),
    ],
)
def test_what_is_no_list_is_could_not_look(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    """With the sentence of who said no."""

    @looped
    async def watched() -> None:
        async with Servers([SPEC], clock=SystemClock()) as servers:
            with pytest.raises(WatchError, match=says):
                await saying("", servers, tmp_path, **changes).look(None)

    watched()


@looped
async def test_without_servers_it_says_where_they_are_set(tmp_path: Path) -> None:
    """Instead of finding nothing."""
    with pytest.raises(WatchError, match=r"add one to \[tools.mcp\]"):
        await saying("", None, tmp_path).look(None)
