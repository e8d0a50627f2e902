"""A server at home that nobody named: no place that is watched or read leads there.

The owner's own address is asked, also on this machine; whatever it answers, each way to write the
canary's address is refused before a byte goes there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tools.benches import a_call, bench
from tests.tools.sites import looped, site, to
from tests.watch.places import Place
from tests.watch.test_http import SETTINGS
from twotier.errors import ToolError, WatchError
from twotier.tools.fetch import make
from twotier.tools.settings import Wanted

# Ways to write 127.0.0.1, an IPv6 address that carries it, and names that lead to it.
HERE = (
    *("127.0.0.1", "localhost", "localhost.", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "0.0.0.0", "0"),
    *("127.0.0.1.", "①②⑦.⓪.⓪.①", "me@127.0.0.1", "here.localhost"),
)
SCHEMES = (
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "\\\\127.0.0.1",
)
TARGETS = (*(f"http://{host}:{{port}}/secret" for host in HERE), *SCHEMES)
WATCHED: dict[str, dict[str, Any]] = {
    "feed": {},
    "page": {"selector": ""},
    "http": SETTINGS,
}


@pytest.mark.parametrize("kind", sorted(WATCHED))
@looped
async def test_what_is_watched_leads_nowhere_at_home(tmp_path: Path, kind: str) -> None:
    """A watched place that turns bad: the look fails aloud, and the canary is never asked."""
    async with site() as here, site() as canary:
        settings = {**WATCHED[kind], "kind": kind, "url": f"{here.url}/"}
        for number, target in enumerate(TARGETS):
            here.pages["/"] = to(target.format(port=canary.port))
            with pytest.raises(WatchError):
                await Place(settings, tmp_path / str(number)).look()
        assert len(here.asked) == len(TARGETS)
        assert canary.asked == []


@looped
async def test_what_a_model_asks_for_leads_nowhere_at_home() -> None:
    """`fetch` by its own address and behind a page that the owner lets it read."""
    async with site() as here, site() as canary:
        places = frozenset({f"127.0.0.1:{here.port}"})
        tools = bench(Path("/nowhere"))
        web = type(tools.web)(private_ok=places)
        (tool,) = make(Wanted("fetch"), bench(Path("/nowhere"), web=web))
        for target in TARGETS:
            address = target.format(port=canary.port)
            here.pages["/"] = to(address)
            for url in (address, f"{here.url}/"):
                with pytest.raises(ToolError):
                    await tool.call({"url": url}, a_call())
        assert len(here.asked) == len(TARGETS)
        assert canary.asked == []
