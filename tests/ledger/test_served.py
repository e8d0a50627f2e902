"""What was done in a span, read from real rows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from tests.ledger.toys import NOON, USD, HandClock, free, paid, settled
from twotier.domain.decision import Decision, Option
from twotier.domain.message import Usage
from twotier.domain.money import Attempt, Outcome, Settled, Settlement
from twotier.domain.task import Task
from twotier.domain.tier import TierPolicy
from twotier.ledger.book import Book
from twotier.ledger.savings import Done
from twotier.ledger.served import Look, Served, looked_tokens

DAY = timedelta(days=1)
FAILED = Settlement(Settled.ESTIMATED, Outcome.ERROR, USD // 4)
TASK = Task(
    "openai_chat", "auto", 10, 1_000, 60, None, 0, 0, "polling", "", TierPolicy.AUTO, "brief",
    background=True, deadline_seconds=6 * 3_600.0,
)  # fmt: skip


def told(
    path: Path,
    *rows: tuple[Attempt, Settlement],
    tasks: Sequence[tuple[str, Task]] = (),
    looks: Sequence[Look] = (),
) -> Served:
    """What a book of these rows says of the day."""

    async def scenario() -> Served:
        clock = HandClock()
        book = await Book.open(path / "ledger.db", clock=clock)
        for request, task in tasks:
            book.note_decision(request, Decision((Option("frontier"),), "kind", ()), task=task)
        for attempt, end in rows:
            clock.turn(10)
            if attempt.price.free:
                book.record(attempt, end)
            else:
                await book.reserve(attempt)
                await book.settle(attempt.id, end)
        await book.flush()
        try:
            return await book.served(
                NOON - DAY, NOON + DAY, local=frozenset({"local"}), looks=looks
            )
        finally:
            await book.close()

    return asyncio.run(scenario())


def test_a_request_is_what_answered_it_and_its_other_tries_are_wasted(tmp_path: Path) -> None:
    first = replace(free("a-0"), request_id="a")
    second = replace(paid("a-1", USD), request_id="a")
    third = replace(paid("a-2", USD), request_id="a")
    found = told(tmp_path, (first, FAILED), (second, FAILED), (third, settled(USD // 2)))
    (one,) = found.done
    assert (one.paid_microusd, one.wasted_microusd) == (USD // 2, USD // 2)
    assert (one.prompt_tokens, one.same_tokens, one.output_tokens) == (112, 3, 20)
    assert not one.local
    assert found.besides_microusd == 0


def test_what_nobody_was_answered_and_probes_are_paid_besides(tmp_path: Path) -> None:
    lost = (paid("a", USD), FAILED)
    probe = (replace(paid("b", USD), kind="probe"), settled(USD // 8))
    found = told(tmp_path, lost, probe, (free("c"), settled()))
    assert [one.local for one in found.done] == [True]
    assert found.besides_microusd == USD // 4 + USD // 8


def test_work_of_jobs_that_may_wait_for_hours_is_known_by_its_decision(tmp_path: Path) -> None:
    late = replace(paid("a", USD, background=True), job="brief")
    soon = replace(paid("b", USD, background=True), job="brief")
    batch = replace(settled(9).usage, mode="batch")
    found = told(
        tmp_path,
        (late, replace(settled(9), usage=batch)),
        (soon, settled(9)),
        tasks=[("r-a", TASK), ("r-b", replace(TASK, deadline_seconds=60.0))],
    )
    assert [(one.who, one.waits, one.batch) for one in found.done] == [
        ("job brief", True, True),
        ("job brief", False, False),
    ]


def test_looks_are_as_large_as_the_calls_of_their_job_and_of_others_nothing_is_said(
    tmp_path: Path,
) -> None:
    usual = replace(settled(), usage=Usage(1_000, 80, cache_read_tokens=3_000))
    at = NOON.timestamp()
    found = told(
        tmp_path,
        (free("a", job="comments"), usual),
        looks=[Look(at - 1_800, "comments", 2), Look(at, "never asked", 7)],
    )
    look = Done(at - 1_800, "job comments", 4_000, 50, same_tokens=3_000, look=True, estimated=True)
    assert list(found.done[:2]) == [look, replace(look, at=at - 1_350)]
    assert [one.look for one in found.done] == [True, True, False]


def test_what_looks_have_saved_is_told_by_job(tmp_path: Path) -> None:
    """As large as the job's calls usually are, and an answer that says that nothing is new."""
    looks = [Look(NOON.timestamp(), "comments", 3), Look(NOON.timestamp(), "never asked", 7)]

    async def scenario() -> dict[str, int]:
        book = await Book.open(tmp_path / "ledger.db", clock=HandClock())
        try:
            book.record(free("a", job="comments"), replace(settled(), usage=Usage(1_000, 80)))
            await book.flush()
            return await book.read(partial(looked_tokens, looks=looks, until=NOON + DAY))
        finally:
            await book.close()

    assert asyncio.run(scenario()) == {"comments": 3 * 1_050}
