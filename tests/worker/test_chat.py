"""Conversations of a real worker that is killed in the middle."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.agent.stage import message
from tests.cli.standin import Done
from tests.tools.mcp_servers import TOY
from tests.worker.playing_main import completion, paths_of, playing_main, worker
from twotier import cli


def run(home: Path, *words: str) -> Done:
    """One `twotier chat`."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["--config", str(home / "twotier.toml"), "chat", *words])
    return Done(code, out.getvalue(), err.getvalue())


def log_of(database: Path) -> bytes:
    """What SQLite has not written into the file yet."""
    log = database.with_name(f"{database.name}-wal")
    return log.read_bytes() if log.exists() else b""


@pytest.mark.slow
def test_a_conversation_survives_kill_9_and_is_answered_once(tmp_path: Path) -> None:
    """Killed while main answers: asked again under the same key; the CLI goes on with it."""
    (tmp_path / "twotier.toml").write_text("", encoding="utf-8")
    hold = asyncio.Event()

    async def script(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if not hold.is_set():
            await asyncio.sleep(60)
        return completion(f"answer {len(body['messages'])}", cost_usd="0.001000")

    async def scenario() -> None:
        async with playing_main(tmp_path, script) as main:
            async with worker(tmp_path) as first:
                said = asyncio.to_thread(run, tmp_path, "hello")
                async with asyncio.TaskGroup() as group:
                    waiting = group.create_task(said)
                    await main.asked.wait()
                    listed = await asyncio.to_thread(run, tmp_path, "list")
                    assert "hello" in listed.out
                    first.process.kill()
                assert waiting.result().code != 0
            hold.set()
            async with worker(tmp_path):
                more = await asyncio.to_thread(run, tmp_path, "more", "--json")
                assert more.code == 0, more.err
                assert more.document["answer"]["text"] == "answer 4"
                whole = await asyncio.to_thread(
                    run, tmp_path, "show", more.document["message"]["conversation"]
                )
                assert whole.out.count("answer ") == 2
                listed = await asyncio.to_thread(run, tmp_path, "list", "--json")
                assert listed.document["chats"][0]["cost_microusd"] == 2_000
            keys = [one["idempotency-key"] for one in main.headers]
            assert keys[0] == keys[1] != keys[2]
            assert main.bodies[0] == main.bodies[1]
            assert {one["x-twotier-policy"] for one in main.headers} == {"frontier"}

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_conversation_uses_a_tool_of_an_mcp_server(tmp_path: Path) -> None:
    """The worker starts the server when the model is first told of it; the result goes back."""
    config = (
        '[chat]\ntools = ["mcp:toy.echo", "delegate"]\n'
        f'[tools.mcp.toy]\ncommand = {json.dumps(list(TOY))}\ntools = ["echo"]\n'
        "labels = { echo = [] }\n"
    )
    (tmp_path / "twotier.toml").write_text(config, encoding="utf-8")

    async def script(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body["messages"][-1]["role"] == "tool":
            return message(f"It said: {body['messages'][-1]['content']}")
        return message(None, ("mcp_toy_echo", {"text": "words"}))

    async def scenario() -> None:
        async with playing_main(tmp_path, script) as main, worker(tmp_path):
            said = await asyncio.to_thread(run, tmp_path, "What does it say?")
            assert said.code == 0, said.err
            assert said.out == "It said: words\n"
            names = [tool["function"]["name"] for tool in main.bodies[0]["tools"]]
            assert names == ["mcp_toy_echo", "delegate"]
            engine = paths_of(tmp_path).engine
            assert b"It said: words" in engine.read_bytes() + log_of(engine)
            (chat,) = (await asyncio.to_thread(run, tmp_path, "list", "--json")).document["chats"]
            refused = await asyncio.to_thread(run, tmp_path, "forget", chat["id"])
            assert (refused.code, "add --yes" in refused.err) == (2, True)
            gone = await asyncio.to_thread(run, tmp_path, "forget", chat["id"], "--yes")
            assert (gone.code, gone.out) == (0, f"forgot {chat['id']}\n"), gone.err
            assert "no conversations yet" in (await asyncio.to_thread(run, tmp_path, "list")).out
            assert b"It said: words" not in engine.read_bytes() + log_of(engine)
            none = await asyncio.to_thread(run, tmp_path, "forget", chat["id"], "--yes")
            assert (none.code, "there is no conversation" in none.err) == (1, True)

    asyncio.run(scenario())
