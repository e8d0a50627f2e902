"""What the worker sends to main, and what it makes of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.worker.playing_main import PlayingMain, Script, completion, refusal
from twotier.agent.model import Answer, MainClient, Question
from twotier.domain.tier import TierPolicy
from twotier.errors import (
    DeadlineError,
    NotRunningError,
    StreamBrokenError,
    UpstreamError,
)

QUESTION = Question(
    system="Be short.",
    prompt="Hello?",
    job="inbox",
    run="inbox-20260302T120000Z",
    step="abc:1",
    kind="polling",
    policy=TierPolicy.LOCAL_THEN_FRONTIER,
    model="m25",
    output_tokens_max=77,
    deadline_seconds=5.0,
)


@asynccontextmanager
async def asking(folder: Path, script: Script) -> AsyncIterator[tuple[PlayingMain, MainClient]]:
    """Main with a script, and a client of it."""
    main = PlayingMain(folder / "main.sock", script)
    await main.open()
    try:
        async with MainClient(folder / "main.sock") as client:
            yield main, client
    finally:
        await main.close()


def replying(reply: web.Response) -> Script:
    """Main answers once."""

    async def script(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return reply

    return script


def test_a_question_is_a_chat_completion_with_its_facts_in_headers(tmp_path: Path) -> None:
    """Main hears job, run, step, kind, policy and deadline; the body is plain OpenAI."""

    async def scenario() -> None:
        reply = completion("Hi.", cost_usd="0.012345")
        async with asking(tmp_path, replying(reply)) as (main, client):
            answer = await client.ask(QUESTION)
        assert answer == Answer("Hi.", False, "local", "local/toy", "explicit", "req-1", 30, 12_345)
        assert main.bodies == [
            {
                "model": "m25",
                "stream": False,
                "max_tokens": 77,
                "messages": [
                    {"role": "system", "content": "Be short."},
                    {"role": "user", "content": "Hello?"},
                ],
            }
        ]
        told = {key: text for key, text in main.headers[0].items() if key.startswith("x-twotier")}
        assert told == {
            "x-twotier-job": "inbox",
            "x-twotier-run": "inbox-20260302T120000Z",
            "x-twotier-step": "abc:1",
            "x-twotier-kind": "polling",
            "x-twotier-policy": "local-then-frontier",
            "x-twotier-deadline": "5.0",
        }

    asyncio.run(scenario())


def test_a_refusal_keeps_mains_sentence_status_and_time(tmp_path: Path) -> None:
    """What main says to do next is what the run's row will say."""

    async def scenario() -> None:
        reply = refusal(503, "the local tier is loading", **{"retry-after": "4"})
        async with asking(tmp_path, replying(reply)) as (_, client):
            with pytest.raises(UpstreamError, match="the local tier is loading") as error:
                await client.ask(QUESTION)
        assert error.value.upstream_status == 503
        assert error.value.upstream_kind == "tier_unavailable"
        assert error.value.retry_after_seconds == 4

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html>", "not a chat completion"),
        ('{"choices": []}', "not a chat completion"),
        ('{"choices": [{"message": {"content": "x"}}]}', "not a chat completion"),
        (
            '{"choices": [{"message": {"content": " "}, "finish_reason": "stop"}]}',
            "empty answer",
        ),
        (
            '{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}',
            "empty answer",
        ),
    ],
)
def test_what_is_not_a_finished_answer_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    """Nothing without text and finish reason is ever taken for a success."""

    async def scenario() -> None:
        async with asking(tmp_path, replying(web.Response(text=text))) as (_, client):
            with pytest.raises(StreamBrokenError, match=says):
                await client.ask(QUESTION)

    asyncio.run(scenario())


def test_an_error_without_a_body_is_still_told(tmp_path: Path) -> None:
    """A status is something."""

    async def scenario() -> None:
        async with asking(tmp_path, replying(web.Response(status=500))) as (_, client):
            with pytest.raises(UpstreamError, match="status 500"):
                await client.ask(QUESTION)

    asyncio.run(scenario())


def test_the_deadline_holds_and_main_sees_us_leave(tmp_path: Path) -> None:
    """No answer in time: the connection is closed, so that main can cancel upstream."""

    async def scenario() -> None:
        left = asyncio.Event()

        async def stall(request: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            for _ in range(1_000):
                if request.transport is None or request.transport.is_closing():
                    left.set()
                    break
                await asyncio.sleep(0.01)
            return completion("too late")

        async with asking(tmp_path, stall) as (_, client):
            with pytest.raises(DeadlineError, match="no answer within"):
                await client.ask(replace(QUESTION, deadline_seconds=0.1))
            async with asyncio.timeout(60):
                await left.wait()

    asyncio.run(scenario())


def test_a_main_that_is_gone_is_told_apart_from_one_that_refuses(tmp_path: Path) -> None:
    """No socket, or a socket that closes before it has answered."""

    async def scenario() -> None:
        async with MainClient(tmp_path / "nothing.sock") as client:
            with pytest.raises(NotRunningError, match="main does not answer"):
                await client.ask(QUESTION)
            with pytest.raises(NotRunningError, match="main does not answer"):
                await client.stay()

        async def hang_up(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.close()
            return completion("never sent")

        async with asking(tmp_path, hang_up) as (_, client):
            with pytest.raises(NotRunningError, match="main does not answer"):
                await client.ask(QUESTION)

    asyncio.run(scenario())
