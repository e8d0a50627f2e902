"""`twotier mcp` as a coding client sees it: the official client, over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from mcp import Client, StdioServerParameters

from tests.worker.playing_main import PlayingMain, completion, refusal
from twotier.config.paths import paths_of

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
Answers = Callable[[str], web.Response]


class Main:
    """Main, and what its local tier was asked."""

    def __init__(self, folder: Path) -> None:
        self.prompts: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Answers = lambda _: completion("an answer")
        self.config = folder / "twotier.toml"
        self.config.write_text("", encoding="utf-8")
        self.socket = paths_of(self.config).main_socket
        self.socket.parent.mkdir(exist_ok=True)

    async def script(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """Answer a chat completion."""
        self.prompts.append(body["messages"][-1]["content"])
        self.headers.append(dict(request.headers))
        return self.answer(self.prompts[-1])


@asynccontextmanager
async def client(main: Main, root: Path) -> AsyncIterator[tuple[Client, PlayingMain]]:
    """The official client, with our server as its child."""
    playing = PlayingMain(main.socket, main.script)
    await playing.open()
    words = ["-m", "twotier", "--config", str(main.config), "mcp", "--root", str(root)]
    server = StdioServerParameters(
        command=sys.executable,
        args=words,
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )
    try:
        async with Client(server) as found:
            yield found, playing
    finally:
        await playing.close()


async def call(client: Client, name: str, **arguments: Any) -> tuple[bool, list[str]]:
    """Whether it is an error, and the texts."""
    result = await client.call_tool(name, arguments)
    return bool(result.is_error), [getattr(one, "text", "") for one in result.content]


@pytest.mark.slow
def test_a_client_asks_and_has_files_read_for_nothing(tmp_path: Path) -> None:
    """Two tools; answers say tier, tokens and $0; large files in pieces; nothing but local-only."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "small.txt").write_text("small words", encoding="utf-8")
    (root / "large.log").write_text("a line of a log\n" * 4_000, encoding="utf-8")
    (root / ".env").write_text("KEY=canary", encoding="utf-8")
    (root / "link.txt").symlink_to("/etc/passwd")
    main = Main(tmp_path)

    async def scenario() -> None:
        async with client(main, root) as (mcp, playing):
            names = [tool.name for tool in (await mcp.list_tools()).tools]
            assert names == ["ask_local", "read_local"]
            failed, (text, about) = await call(mcp, "ask_local", prompt="Why?")
            assert not failed
            assert text == "an answer"
            assert about.startswith("[local local/toy: 30 tokens, 1 call, ")
            assert about.endswith("cost $0.00]")
            main.answer = lambda _: completion('{"n": 3}')
            _, (value, _) = await call(mcp, "ask_local", prompt="How many?", schema=SCHEMA)
            assert json.loads(value) == {"n": 3}
            main.answer = lambda prompt: completion("nothing" if "part 2" in prompt else "noted")
            paths = ["small.txt", str(root / "large.log")]
            failed, (text, about) = await call(mcp, "read_local", paths=paths, question="What?")
            assert (failed, text) == (False, "noted")
            assert "read in 5 pieces" in about
            assert "small words" in "".join(main.prompts)
            assert {one["x-twotier-policy"] for one in main.headers} == {"local-only"}
            for path, said in (
                (".env", "closed to tools"),
                ("../twotier.toml", "do not go up"),
                ("/etc/passwd", "start in the job's folder"),
                ("link.txt", "links are not followed"),
                ("gone.txt", "there is no gone.txt"),
            ):
                failed, (text, *_) = await call(mcp, "read_local", paths=[path], question="What?")
                assert failed
                assert said in text
            main.answer = lambda _: refusal(503, "the local tier is quarantined")
            failed, (text, *_) = await call(mcp, "ask_local", prompt="Why?")
            assert failed
            assert "cannot be asked now: the local tier is quarantined" in text
            failed, (text, *_) = await call(mcp, "ask_local", prompt=" ")
            assert failed
            assert "prompt is missing" in text
            await playing.close()
            failed, (text, *_) = await call(mcp, "ask_local", prompt="Why?")
            assert failed
            assert "start it with `twotier up`" in text
        assert "canary" not in "".join(main.prompts)

    asyncio.run(scenario())
