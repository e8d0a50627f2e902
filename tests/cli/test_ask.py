"""`twotier ask`: the answer as it comes, errors as the gateway names them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cli.standin import SECONDS_MAX, StandIn, standin, start, twotier
from tests.worker.playing_main import completion, playing_main
from twotier.errors import TierUnavailableError


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
            assert done.err.startswith("twotier: no, because; do this; see `twotier ")
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


class Tiers:
    """Main with a local tier that picks the line with the price, and a frontier that writes."""

    def __init__(self) -> None:
        self.policies: list[str] = []
        self.prompts: list[str] = []

    async def __call__(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        policy = request.headers.get("x-twotier-policy", "")
        prompt = body["messages"][-1]["content"]
        self.policies.append(policy)
        self.prompts.append(prompt)
        if policy == "local-only":
            rows = [row for row in prompt.splitlines() if "price is" in row]
            found = [int(row.partition("|")[0]) for row in rows]
            return completion(json.dumps({"lines": [{"from": at, "to": at} for at in found]}))
        if not body.get("stream"):
            return completion("Seven [1], or [2].")
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        chunk = {"choices": [{"delta": {"content": "Seven [1], or [2]."}, "finish_reason": "stop"}]}
        await reply.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
        return reply


@pytest.mark.parametrize("state", ["no-key", "down", ""])
def test_nothing_is_read_where_nobody_could_write(tmp_path: Path, state: str) -> None:
    """The local tier read for minutes, and then there was no key for the frontier."""
    text = tmp_path / "long.txt"
    text.write_text("filler\n" * 3_000 + "The price is 7.\n", encoding="utf-8")

    async def scenario() -> None:
        tiers = Tiers()
        async with playing_main(tmp_path, tiers) as main:
            if state:
                main.states["frontier"] = {"state": state, "because": "KEY is not set"}
            else:
                main.refuses = "no tier may answer this: price"
            config = str(tmp_path / "twotier.toml")
            said = await twotier(
                "--config", config, "ask", "The price?", "--split", "--file", str(text)
            )
            assert said.code == TierUnavailableError.exit_code
            why = "frontier: KEY is not set" if state else "no tier may answer this: price"
            assert why in said.err
            assert tiers.policies == []

    asyncio.run(scenario())


def test_long_files_are_read_here_and_written_from_there(tmp_path: Path) -> None:
    """`--split`: the frontier sees the picked lines alone; what it cites is told below."""
    text = tmp_path / "long.txt"
    text.write_text("filler\n" * 3_000 + "The price is 7.\n", encoding="utf-8")
    short = tmp_path / "short.txt"
    short.write_text("The price is 8.\n", encoding="utf-8")
    config = tmp_path / "twotier.toml"

    def words(*more: str) -> tuple[str, ...]:
        return ("--config", str(config), "ask", "What is the price?", *more)

    async def scenario() -> None:
        tiers = Tiers()
        async with playing_main(tmp_path, tiers):
            said = await twotier(*words("--split", "--file", str(text)))
            assert said.code == 0, said.err
            assert said.out.endswith(f"Seven [1], or [2].\n\n[1] {text}:3001\n")
            assert "it cites [2], and there are [1] to [1]" in said.err
            assert "1 extracts from" in said.err
            assert set(tiers.policies[:-1]) == {"local-only"}
            assert tiers.policies[-1] == "frontier"
            assert "The price is 7." in tiers.prompts[-1]
            assert "filler" not in tiers.prompts[-1]
            document = (await twotier(*words("--split", "--file", str(text), "--json"))).document
            assert document["sources"] == [f"[1] {text}:3001"]
            assert document["wrong"]
            said = await twotier(*words("--split", "--file", str(short)))
            assert "Short enough to be read whole" in said.err
            assert (tiers.policies[-1], "price is 8" in tiers.prompts[-1]) == ("", True)
        for more, why in (
            (("--split",), "name it with --file"),
            (("--file", str(tmp_path / "gone")), "cannot be read"),
            (("--file", sys.executable), "is no text file"),
        ):
            said = await twotier(*words(*more))
            assert (said.code, why in said.err) == (2, True)

    asyncio.run(scenario())
