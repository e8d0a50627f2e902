"""A receiver that is away gets its message later, once, with the same key."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest

from tests.jobs.making import job
from tests.jobs.workshop import INBOX, Workshop, workshop
from tests.notify.test_http import receiving
from twotier.domain.job import Run, RunState
from twotier.jobs.rounds import OUTBOX_SECONDS


async def run_in_state(shop: Workshop, run_id: str, state: RunState) -> Run:
    """Wait until the run is in this state, turning the clock."""
    async with asyncio.timeout(60):
        while True:
            run = await shop.runs.run(run_id)
            if run is not None and run.state is state:
                return run
            shop.turn(OUTBOX_SECONDS)
            await asyncio.sleep(0.02)


def test_a_webhook_that_fails_is_tried_again_and_the_run_becomes_late(tmp_path: Path) -> None:
    """Stored first, so a receiver that was down loses nothing; the model is asked once."""

    async def scenario() -> None:
        async with receiving(503) as receiver:
            one = job(watch=INBOX, deliver=f"webhook:{receiver.url}/hook", enabled=False)
            async with workshop(tmp_path, [one]) as shop:
                shop.drop("a.txt")
                failed = await shop.by_hand("inbox")
                assert failed.state is RunState.FAILED
                assert failed.because == (
                    "delivery: 127.0.0.1 answered with status 503; it is kept and tried again"
                    " (0 of 1 done)"
                )
                receiver.status = 200
                late = await run_in_state(shop, failed.id, RunState.LATE)
                assert (late.result, late.because) == ("webhook", "delivered after 2 tries")
                await run_in_state(shop, failed.id, RunState.LATE)
                assert len(receiver.bodies) == 2
                assert receiver.headers[0]["idempotency-key"].startswith(f"{failed.id}:")
                keys = {headers["idempotency-key"] for headers in receiver.headers}
                assert len(keys) == 1
                assert len(shop.main.bodies) == 1

    asyncio.run(scenario())


def test_ntfy_and_log_are_ways_out_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The answer as the message, the item as its title; or as a field of a log line."""

    async def scenario() -> None:
        async with receiving() as receiver:
            jobs = [
                job(name="tell", watch=INBOX, deliver="ntfy:blog", answer_lines=3),
                job(name="note", deliver="log"),
            ]
            async with workshop(tmp_path, jobs, ntfy_url=receiver.url) as shop:
                shop.drop("a.txt")
                assert (await shop.by_hand("tell")).result == "ntfy"
                assert (await shop.by_hand("note")).result == "log"
        assert receiver.bodies == [
            {"topic": "blog", "title": "a.txt", "message": "one\ntwo\nthree"}
        ]

    with caplog.at_level(logging.INFO, logger="twotier.delivery"):
        asyncio.run(scenario())
    (line,) = [record for record in caplog.records if record.name == "twotier.delivery"]
    assert json.loads(vars(line)["text"]) == ["one", "two", "three"]
    assert vars(line)["job"] == "note"
