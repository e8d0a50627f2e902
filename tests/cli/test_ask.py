"""`twotier ask`: the answer as it comes, errors as the gateway names them."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.cli.standin import SECONDS_MAX, StandIn, standin, start, twotier


def words(stand: StandIn, *more: str) -> tuple[str, ...]:
    """An `ask` against this stand-in."""
    return ("--config", str(stand.config), "ask", "Say hello", *more)


def test_the_answer_streams_to_stdout_and_the_talk_to_stderr(tmp_path: Path) -> None:
    """The first words are out before the model has finished; who answered comes last."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            stand.gap = asyncio.Event()
            first, last = stand.chunk("Hallo "), stand.chunk("Wörld", "stop")
            stand.stream = [": ping\n\n", first, f"{last}data: [DONE]\n\n"]
            process = await start(*words(stand, "--model", "m25"))
            assert process.stdout is not None
            async with asyncio.timeout(SECONDS_MAX):
                assert await process.stdout.readexactly(6) == b"Hallo "
                stand.gap.set()
                out, err = await process.communicate()
            assert out.decode() == "Wörld\n"
            assert process.returncode == 0
            assert (
                "[local, llama-local/smollm2-135m-instruct, polling, at most $0.01" in err.decode()
            )
            assert stand.asked[-1][3]["model"] == "m25"
            assert stand.asked[-1][3]["messages"] == [{"role": "user", "content": "Say hello"}]

    asyncio.run(scenario())


def test_json_is_the_whole_answer_with_who_gave_it(tmp_path: Path) -> None:
    """For scripts: text, tier, rule, settled cost, usage."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            document = (await twotier(*words(stand, "--json"))).document
            assert document["text"] == "Hallo Wörld"
            assert document["tier"] == "local"
            assert (document["cost_usd"], document["cost"]) == ("0.010000", "settled")
            assert document["usage"]["total_tokens"] == 5

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (402, "budget_reached", 4),
        (402, "price_unknown", 1),
        (404, "model_not_found", 1),
        (503, "tier_unavailable", 1),
        (502, "upstream_error", 1),
        (500, "never_heard_of", 1),
    ],
)
def test_a_refusal_keeps_its_sentence_and_its_exit_code(
    tmp_path: Path, status: int, code: str, exit_code: int
) -> None:
    """In one line on stderr and, with --json, as a document; never a traceback."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            error = {"message": "no, because; do this", "type": "x", "code": code}
            stand.answers["POST /v1/chat/completions"] = (status, {"error": error})
            done = await twotier(*words(stand))
            assert (done.code, done.out) == (exit_code, "")
            assert done.err == "twotier: no, because; do this\n"
            told = await twotier(*words(stand, "--json"))
            assert told.code == exit_code
            assert told.document["error"]["message"] == "no, because; do this"

    asyncio.run(scenario())


def test_half_an_answer_is_an_error(tmp_path: Path) -> None:
    """A stream without its terminator never ends with exit code 0; nor does an error inside."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            stand.stream = [stand.chunk("half"), stand.chunk(" an")]
            done = await twotier(*words(stand))
            assert done.code == 1
            assert done.out.startswith("half an")
            assert "broke off in the middle" in done.err
            failed = (
                'data: {"error": {"message": "the limit is reached", "code": "budget_reached"}}'
            )
            stand.stream = [stand.chunk("half"), f"{failed}\n\ndata: [DONE]\n\n"]
            done = await twotier(*words(stand))
            assert done.code == 4
            assert "the limit is reached" in done.err

    asyncio.run(scenario())


def test_an_answer_that_was_cut_off_says_so(tmp_path: Path) -> None:
    """Its end is not the model's."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            stand.stream = [stand.chunk("long"), stand.chunk("", "length"), "data: [DONE]\n\n"]
            done = await twotier(*words(stand))
            assert done.code == 0
            assert "cut off at its longest allowed length" in done.err

    asyncio.run(scenario())


def test_ctrl_c_ends_the_question_at_the_other_side_too(tmp_path: Path) -> None:
    """Exit code 130, no traceback, and main sees its caller leave."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            stand.gap = asyncio.Event()
            stand.stream = [stand.chunk("Hallo"), "data: [DONE]\n\n"]
            process = await start(*words(stand))
            async with asyncio.timeout(SECONDS_MAX):
                assert process.stdout is not None
                await process.stdout.readexactly(5)
                process.send_signal(signal.SIGINT)
                _, err = await process.communicate()
                await stand.left.wait()
            assert process.returncode == 130
            assert b"Traceback" not in err

    asyncio.run(scenario())
