"""Conversations of a real worker that is killed in the middle."""

from __future__ import annotations

import asyncio
import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cli.standin import Done
from tests.worker.playing_main import completion, playing_main, worker
from twotier import cli


def run(home: Path, *words: str) -> Done:
    """One `twotier chat`."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["--config", str(home / "twotier.toml"), "chat", *words])
    return Done(code, out.getvalue(), err.getvalue())


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
