"""The tools of an agent's job from all the places they come from, with real parts behind them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import HandClock
from tests.tools.mcp_servers import TOY
from tests.tools.sites import looped, site, text
from tests.watch.booking_main import booking_main
from tests.worker.playing_main import PlayingMain, completion, paths_of, playing_main
from twotier.agent.delegating import local_asks, window_or_usual
from twotier.agent.model import MainClient
from twotier.build.agents import Brief, Tooling
from twotier.clock import SystemClock
from twotier.config.load import Loaded, load
from twotier.config.mcp import server_specs
from twotier.domain.job import Job
from twotier.domain.label import NO_LABELS, UNKNOWN, Label
from twotier.errors import NotRunningError, ToolError
from twotier.tools.base import Call, Tool
from twotier.tools.mcp import Servers
from twotier.tools.reading import Ask, Limits
from twotier.worker import jobs_of

CALL = Call("toy", "r1", "r1:tool:1", NO_LABELS, 20.0)
READS_LOCALLY = frozenset({Label.PRIVATE})
MCP = """
[tools.mcp.toy]
command = {command}
tools = ["echo", "orders"]
labels = {{ echo = ["private"] }}
"""


def loaded_of(home: Path, job: str, more: str = "") -> Loaded:
    """A configuration of one job."""
    head = '[[jobs]]\nname = "toy"\nprompt = "Do it."\nevery = "1h"\n'
    (home / "twotier.toml").write_text(f"{more}\n{head}{job}\n", encoding="utf-8")
    return load(home / "twotier.toml")


def job_of(loaded: Loaded) -> Job:
    """As the worker has it."""
    (job,) = jobs_of(loaded)
    return job


class Shop:
    """The tooling of a configuration that may be written anew."""

    def __init__(self, loaded: Loaded, client: MainClient, servers: Servers) -> None:
        self.loaded = loaded
        self.tooling = Tooling(lambda: self.loaded, client, servers=servers, clock=SystemClock())

    async def tools(self) -> dict[str, Tool]:
        """Those of the job, by their names."""
        return {one.spec.name: one for one in await self.tooling.tools(job_of(self.loaded))}


@asynccontextmanager
async def shop(loaded: Loaded, client: MainClient) -> AsyncIterator[Shop]:
    """With the MCP servers of the configuration; none is started before it is used."""
    specs = server_specs(loaded.config.tools.mcp, home=loaded.home, secret=str, environment={})
    async with Servers(specs, clock=SystemClock()) as servers:
        yield Shop(loaded, client, servers)


@looped
async def test_an_mcp_tool_is_told_of_in_few_words_unless_the_frontier_alone_is_asked(
    tmp_path: Path,
) -> None:
    """It is the same tool: its labels, its answers. Nothing is started where no job names it."""
    own = MCP.format(command=json.dumps(TOY))
    job = 'tools = ["fetch", "mcp:toy"]\ntier = "{}"'
    loaded = loaded_of(tmp_path, job.format("local-only"), own)
    async with MainClient(tmp_path / "none.sock") as client, shop(loaded, client) as here:
        brief = await here.tools()
        assert list(brief) == ["fetch", "mcp_toy_echo", "mcp_toy_orders"]
        assert isinstance(brief["mcp_toy_orders"], Brief)
        assert brief["mcp_toy_echo"].needs({"text": "x"}) == {Label.PRIVATE}
        assert brief["mcp_toy_orders"].needs({}) == UNKNOWN
        assert (await brief["mcp_toy_echo"].call({"text": "hi"}, CALL)).text == "hi"
        here.loaded = loaded_of(tmp_path, job.format("frontier"), own)
        whole = await here.tools()
        told = [one["mcp_toy_orders"].spec.description for one in (brief, whole)]
        assert len(told[0]) <= 160 < len(told[1])
        assert "description" not in json.dumps(brief["mcp_toy_echo"].spec.parameters)
        here.loaded = loaded_of(tmp_path, 'tools = ["mcp:toy.orders"]', own)
        assert list(await here.tools()) == ["mcp_toy_orders"]
    gone = MCP.format(command='["/nowhere/program"]')
    none = loaded_of(tmp_path, 'tools = ["read_file"]', gone)
    async with MainClient(tmp_path / "none.sock") as client, shop(none, client) as here:
        assert list(await here.tools()) == ["read_file"]
        here.loaded = loaded_of(tmp_path, 'tools = ["mcp:toy"]', gone)
        with pytest.raises(ToolError, match="mcp-servers test toy"):
            await here.tools()


def asked_texts(main: PlayingMain) -> Sequence[str]:
    """What the local tier was given."""
    return [body["messages"][-1]["content"] for body in main.bodies]


@looped
async def test_the_local_tier_reads_what_the_job_may_read(tmp_path: Path) -> None:
    """Files by the job's own rules, pages by its own `fetch`; in pieces of the window it has now;
    what they bring along comes back, and main hears who asks.
    """

    async def script(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return completion("it says so")

    job = 'tier = "frontier"\ntools = ["read_file", "fetch", "delegate"]'
    async with site() as here:
        host = here.url.removeprefix("http://")
        loaded = loaded_of(tmp_path, job, f'[tools]\nprivate_ok = ["{host}"]')
        here.pages["/long"] = text("<p>" + "Lamps burn oil. " * 2_000 + "</p>")
        socket = paths_of(tmp_path).main_socket
        async with (
            playing_main(tmp_path, script) as main,
            MainClient(socket) as client,
            shop(loaded, client) as made,
        ):
            delegate = (await made.tools())["delegate"]
            (tmp_path / "jobs-files" / "toy" / "a.txt").write_text("the first", encoding="utf-8")
            given = {"task": "What is it?", "files": ["a.txt"]}
            assert delegate.needs(given) == READS_LOCALLY
            result = await delegate.call(given, CALL)
            assert (result.text, result.labels) == ("it says so", READS_LOCALLY)
            assert "the first" in asked_texts(main)[0]
            (headers,) = main.headers
            assert (headers["x-twotier-policy"], headers["x-twotier-run"]) == ("local-only", "r1")
            page = {"task": "What burns?", "files": [f"{here.url}/long"]}
            assert delegate.needs(page) == {Label.UNTRUSTED, Label.SENDS, Label.PRIVATE}
            result = await delegate.call(page, CALL)
            assert result.labels == {Label.UNTRUSTED, Label.PRIVATE}
            assert here.paths() == ["/long"]
            parts = asked_texts(main)[1:]
            assert len(parts) >= 3  # the window is of 8,192 tokens
            assert sum(one.count("Lamps burn oil.") for one in parts) == 2_000
            with pytest.raises(ToolError, match="paths do not go up"):
                await delegate.call({"task": "x", "files": ["../twotier.toml"]}, CALL)
            made.loaded = loaded_of(tmp_path, 'tier = "frontier"\ntools = ["delegate"]')
            bare = (await made.tools())["delegate"]
            assert bare.needs(given) == NO_LABELS
            for files, said in ((["a.txt"], "no files"), ([f"{here.url}/long"], "no web pages")):
                with pytest.raises(ToolError, match=said):
                    await bare.call({"task": "x", "files": files}, CALL)


@looped
async def test_where_main_does_not_say_the_window_the_usual_one_is_read_by(tmp_path: Path) -> None:
    """The question that follows tells that main has gone, and the run waits for it."""
    async with MainClient(tmp_path / "none.sock") as client:
        assert await window_or_usual(client) == Limits().window_tokens
        ask = local_asks(client.chat)
        with pytest.raises(NotRunningError):
            await ask(Ask("s", "p", "1", 9, 5.0), CALL)


@looped
async def test_what_a_job_searches_for_is_paid_for_in_the_ledger(tmp_path: Path) -> None:
    """Held before and settled after, in the name of the job; nothing is searched without."""
    (tmp_path / "key").write_text("brave-key", encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    async with site() as here:
        found = [{"title": "Lamps", "url": "https://a.example/", "description": "Oil."}]
        here.pages["/s"] = text(json.dumps({"web": {"results": found}}), kind="application/json")
        brave = f'[tools.search]\nbackend = "brave"\nkey = "file:key"\nurl = "{here.url}/s"\n'
        loaded = loaded_of(tmp_path, 'tools = ["search"]', brave)
        async with (
            booking_main(tmp_path, HandClock()) as booking,
            shop(loaded, booking.client) as made,
        ):
            search = (await made.tools())["search"]
            result = await search.call({"query": "lamps"}, CALL)
            assert result.text.startswith("Lamps")
            assert here.headers()["x-subscription-token"] == "brave-key"
            assert await booking.rows() == [("toy", "settled", 5_000, result.cost_microusd)]
        made.loaded = loaded_of(tmp_path, 'tools = ["search"]', brave)  # after a reload too
        assert (await made.tools())["search"].spec.labels >= {Label.COSTS}
