"""Decisions are read again as they were made, with what became of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import sqlalchemy as sa

from tests.ledger.toys import NOON, HandClock, free, paid
from twotier.domain.decision import Because, Decision, Option
from twotier.domain.known import NOTHING, Known, Pace, Record, Session, Spread, Times
from twotier.domain.message import Usage
from twotier.domain.money import Outcome, Settled, Settlement
from twotier.domain.recorded import Ended, Recorded
from twotier.domain.task import Task
from twotier.domain.tier import TierPolicy
from twotier.domain.work import Work
from twotier.ledger.book import Book
from twotier.ledger.kept import kept, known_of
from twotier.ledger.recorded import cached, recorded
from twotier.ledger.rows import milliseconds

TASK = Task(
    "openai_chat", "auto", 10, 1_000, 60, None, 0, 0, "polling", "words of the prompt",
    TierPolicy.AUTO, "brief", background=True, deadline_seconds=60.0, kind_from="trigger",
    client="anna", work=Work(40, kind="polling"),
)  # fmt: skip
KNOWN = Known(
    key="brief",
    records={"local": Record("local", 3.0, 1.0, (True, False), 4)},
    seconds={"local": Times(0.5, 1.5, 2.0)},
    session=Session("local", 900, 4.0, boundary=True),
    output=Spread(80.0, 200.0, 4, "record"),
    recheck="local",
    conversation="never kept",
    pace=Pace("budget daily", 0.5, 0.25),
)


def end(usage: Usage, seconds: float) -> Settlement:
    """A good one."""
    return Settlement(Settled.SETTLED, Outcome.OK, 0, usage, total_seconds=seconds)


def test_what_was_known_comes_back_but_for_the_conversation() -> None:
    """Nothing takes no room; another version's text is nothing."""
    assert known_of(kept(KNOWN)) == msgspec.structs.replace(KNOWN, conversation="")
    assert "never kept" not in kept(KNOWN)
    assert kept(NOTHING) == kept(Known(conversation="x")) == ""
    assert known_of("") == NOTHING
    assert known_of("[1]") == NOTHING


def test_decisions_come_back_with_their_ends(tmp_path: Path) -> None:
    """The newest so many; a request's attempts are one end; what nobody can read is left out."""

    async def scenario() -> tuple[tuple[list[Recorded], int], dict[str, float]]:
        clock = HandClock()
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        sick = Because("health", "ordered", "local goes last: it loads")
        one = Decision((Option("frontier"), Option("local")), "default", (sick,))
        for name in ("r-0", "r-a", "r-b", "r-c"):
            clock.turn(1)
            book.note_decision(name, one, task=TASK, known=KNOWN if name == "r-a" else NOTHING)
        refused = Decision((), "fit", (), "too long", "context_length_exceeded")
        book.note_decision("r-d", refused, task=TASK)
        await book.flush()
        clock.turn(10)
        failed = paid("b", 1_000)
        await book.reserve(failed)
        await book.settle("b", Settlement(Settled.SETTLED, Outcome.ERROR, 400, total_seconds=2))
        second = msgspec.structs.replace(free("b2"), request_id="r-b")
        book.record(second, end(Usage(100, 20, 300), 3.0))
        book.record(free("a"), end(Usage(40, 20), 1.0))
        await book.flush()
        span = (milliseconds(NOON), milliseconds(NOON + timedelta(days=1)))
        try:
            found = await book.read(lambda at: recorded(at, span, limit=4))
            return found, await book.read(lambda at: cached(at, span))
        finally:
            await book.close()

    (found, count), shares = asyncio.run(scenario())
    assert (count, [one.first for one in found]) == (5, ["frontier"] * 3 + [""])
    first = found[0]
    assert first.known == msgspec.structs.replace(KNOWN, conversation="")
    told = msgspec.structs.replace(TASK, kind_because="as it was recorded")
    assert (first.task, first.rule, first.sick) == (told, "default", ("local",))
    assert first.ended == Ended("local", True, 40, 20, 0, 1.0)
    assert found[1].ended == Ended("local", True, 400, 20, 400, 5.0)
    assert found[2].ended is None
    assert (found[3].rule, found[3].ended) == ("fit", None)
    assert round(shares["local"], 3) == round(300 / 440, 3)


def test_a_row_of_another_version_is_left_out(tmp_path: Path) -> None:
    """It is counted, and not decided again; one that told less is read as far as it goes."""

    async def scenario() -> tuple[list[Recorded], int]:
        book = await Book.open(tmp_path / "ledger.db", clock=HandClock())
        for name in ("r-a", "r-b"):
            book.note_decision(name, Decision((), "none", ()), task=TASK)
        await book.flush()
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE decisions SET task = '{}' WHERE request_id = 'r-a'"))
            without = "json_remove(task, '$.work') WHERE request_id = 'r-b'"
            connection.execute(sa.text(f"UPDATE decisions SET task = {without}"))
        engine.dispose()
        span = (milliseconds(NOON), milliseconds(NOON + timedelta(days=1)))
        try:
            return await book.read(lambda at: recorded(at, span, limit=4))
        finally:
            await book.close()

    (one,), count = asyncio.run(scenario())
    assert (count, one.task.work) == (2, Work(40, kind="polling"))
