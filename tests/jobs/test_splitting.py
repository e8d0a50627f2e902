"""A job that reads much: the local tier picks, the frontier writes, and nothing is read twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import job
from tests.jobs.workshop import INBOX, Workshop, workshop
from tests.worker.playing_main import completion, refusal
from twotier.config.work import JobConfig
from twotier.domain.job import Run, RunState
from twotier.domain.tier import TierPolicy

WATCH = INBOX | {"item_bytes_max": 100_000}
JOB = job(
    watch=WATCH, each=False, deliver="file:outbox/report.md", split=True, tier=TierPolicy.AUTO
)
TEXT = "filler\n" * 3_000 + "The price is 7 dollars.\n"


class Two:
    """Main with two tiers: the local one picks the line with the price."""

    def __init__(self, *written: str) -> None:
        self.written = list(written)
        self.local_is_down = False

    async def __call__(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if request.headers["x-twotier-policy"] == "frontier":
            return completion(self.written.pop(0), cost_usd="0.010000")
        assert request.headers["x-twotier-policy"] == "local-only"
        assert request.headers["x-twotier-kind"] == "split"
        if self.local_is_down:
            return refusal(400, "no")
        rows = [row for row in body["messages"][1]["content"].splitlines() if "price is" in row]
        found = [int(row.partition("|")[0]) for row in rows]
        return completion(json.dumps({"lines": [{"from": at, "to": at} for at in found]}))


def once(home: Path, main: Two, text: str = TEXT) -> tuple[Run, list[dict[str, Any]]]:
    """One run, and what main was asked."""

    async def scenario() -> tuple[Run, list[dict[str, Any]]]:
        async with workshop(home, [JOB], script=main) as shop:
            shop.drop("prices.txt", text)
            return await shop.by_hand("inbox"), told(shop)

    return asyncio.run(scenario())


def told(shop: Workshop) -> list[dict[str, Any]]:
    """Policy, kind and prompt of every question."""
    return [
        {
            "policy": headers["x-twotier-policy"],
            "kind": headers["x-twotier-kind"],
            "prompt": body["messages"][1]["content"],
        }
        for headers, body in zip(shop.main.headers, shop.main.bodies, strict=True)
    ]


def test_the_frontier_sees_the_lines_that_were_picked_and_no_other(tmp_path: Path) -> None:
    """A wrong citation is asked for once more; the answer has its sources below it."""
    run, asked = once(tmp_path, Two("It is 7 [3].", "It is 7 dollars [1]."))
    assert (run.state, run.cost_microusd) == (RunState.DONE, 20_000)
    assert run.model_calls == len(asked)
    there = [one for one in asked if one["policy"] == "frontier"]
    assert len(there) == 2
    assert all("The price is 7 dollars." in one["prompt"] for one in there)
    assert all("filler" not in one["prompt"] for one in there)
    assert "it cites [3], and there are [1] to [1]" in there[1]["prompt"]
    assert (tmp_path / "outbox" / "report.md").read_text() == (
        "It is 7 dollars [1].\n\n[1] prices.txt:3001\n"
    )


def test_what_is_short_is_sent_as_it_is(tmp_path: Path) -> None:
    """There is nothing to gain: one question, by the job's own policy."""
    main = Two("Seven.")

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        assert request.headers["x-twotier-policy"] == "auto"
        return completion(main.written.pop(0))

    async def scenario() -> None:
        async with workshop(tmp_path, [JOB], script=script) as shop:
            shop.drop("prices.txt", "short")
            assert (await shop.by_hand("inbox")).model_calls == 1

    asyncio.run(scenario())


def test_where_nothing_is_picked_nothing_is_paid(tmp_path: Path) -> None:
    """The run says so, and what the local tier answered it with."""
    run, asked = once(tmp_path, Two(), "filler\n" * 3_000)
    assert (run.state, run.cost_microusd) == (RunState.FAILED, 0)
    assert "the local tier found nothing for this task" in run.because
    assert {one["policy"] for one in asked} == {"local-only"}
    main = Two()
    main.local_is_down = True
    home = tmp_path / "other"
    home.mkdir()
    run, asked = once(home, main)
    assert run.state is RunState.FAILED
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"every": "1h"}, "needs a watch"),
        ({"tier": "local-only"}, "tier is local-only"),
        ({"tools": ["fetch"]}, "have `delegate`"),
        ({"answer_lines": 3}, "neither batch nor answer_lines"),
    ],
)
def test_what_does_not_go_with_it(more: dict[str, Any], said: str) -> None:
    """Each says what is in its way."""
    watch = {} if "every" in more else {"watch": {"kind": "files", "path": "in"}}
    raw = {"name": "x", "prompt": "Do.", "split": True, **watch, **more}
    with pytest.raises(ValueError, match=said):
        JobConfig(**raw)
