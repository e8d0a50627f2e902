"""The desk on a real ledger: nothing is repeated by a restart, and nothing forgotten."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import time
from pathlib import Path

import pytest

from tests.alerts.toys import Box, away, condition, way
from tests.ledger.toys import NOON, HandClock
from tests.notify.test_http import receiving
from twotier.alerts.desk import Alerts
from twotier.alerts.incidents import Look
from twotier.alerts.outbox import Habits, Way
from twotier.alerts.quiet import QuietHours
from twotier.domain.alert import Alert, Severity
from twotier.errors import DeliveryError, NotFoundError
from twotier.ledger.book import Book
from twotier.notify.http import Webhook

GIVEN_UP = Alert("local", "quarantined", "not started again by itself; it crashed")
OVER = Look((), ("server:",))


@asynccontextmanager
async def desk(path: Path, *ways: Way, clock: HandClock | None = None) -> AsyncIterator[Alerts]:
    """A desk in one life of main, with its sender running."""
    hands = clock or HandClock()
    book = await Book.open(path, clock=hands)
    alerts = Alerts(hands, ways=ways)
    await alerts.open(book)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(alerts.run())
        try:
            yield alerts
        finally:
            running.cancel()
    await book.close()


async def until(box: Box, count: int) -> None:
    """So many messages were taken."""
    while len(box.taken) < count:
        box.news.clear()
        await box.news.wait()


def rows(path: Path, query: str) -> Sequence[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_restart_neither_repeats_nor_forgets(tmp_path: Path) -> None:
    """Opened in one life, said again in the next, over in the third: two messages."""
    path, box = tmp_path / "ledger.db", Box()

    async def scenario() -> None:
        async with desk(path, way(box)) as first:
            first(GIVEN_UP)
            await until(box, 1)
        async with desk(path, way(box)) as second:
            second(GIVEN_UP)
            (told,) = second.told()
            assert (told["about"], told["kind"]) == ("local", "quarantined")
            assert told["severity"] == "urgent"
            assert second.open_by() == {("quarantined", "urgent"): 1}
        async with desk(path, way(box)) as third:
            third.take(OVER)
            await until(box, 2)
            assert third.told() == []
        async with desk(path, way(box)) as fourth:
            assert fourth.told() == []
            fourth.take(OVER)

    asyncio.run(scenario())
    assert box.titles == [
        "twotier: local (quarantined)",
        "twotier: local (quarantined) resolved",
    ]
    ((ended,),) = rows(path, "SELECT ended_ms > 0 FROM incidents")
    assert ended
    assert set(rows(path, "SELECT state FROM alert_messages")) == {("sent",)}


def test_a_message_that_nobody_took_is_sent_by_the_next_life(tmp_path: Path) -> None:
    """With the key it had: the receiver may have it already."""
    path, gone, box = tmp_path / "ledger.db", Box(away(1)), Box()

    async def scenario() -> None:
        clock = HandClock()
        async with desk(path, way(gone), clock=clock) as first:
            first(GIVEN_UP)
            await gone.news.wait()
            gone.refusals = away(999)
        async with desk(path, way(box), clock=clock) as second:
            assert second.waiting()["phone"] == 1
            await until(box, 1)
            assert dict(second.sent) == {("phone", "sent"): 1}

    asyncio.run(scenario())
    assert box.taken[0].key == gone.tried[0].key


def test_what_was_held_for_the_night_comes_in_the_morning_of_another_life(tmp_path: Path) -> None:
    """As one message; what was urgent did not wait for it."""
    path, box = tmp_path / "ledger.db", Box()
    night = Habits(QuietHours(time(22), time(7), "UTC"))

    async def scenario() -> None:
        clock = HandClock(NOON.replace(hour=23))
        book = await Book.open(path, clock=clock)
        alerts = Alerts(clock, ways=[way(box)], habits=night)
        await alerts.open(book)
        alerts.take(Look((condition("server:a"), condition("server:b"))))
        assert alerts.waiting() == {"phone": 2}
        await book.close()
        async with desk(path, way(box), clock=HandClock(NOON.replace(hour=7, day=11))) as later:
            await until(box, 1)
            assert later.waiting() == {"phone": 0}
            assert len(later.told()) == 2

    asyncio.run(scenario())
    assert box.titles == ["twotier: 2 messages of the quiet hours"]


def test_what_was_seen_before_the_book_was_open_is_told_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A server may be given up before the ledger is there; the log has it as an alert."""
    box = Box()

    async def scenario() -> None:
        clock = HandClock()
        alerts = Alerts(clock, ways=[way(box)])
        alerts(GIVEN_UP)
        assert alerts.told() == []
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        await alerts.open(book)
        assert alerts.opened_count == {"quarantined": 1}
        await book.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert f"ALERT local: {GIVEN_UP.text}" in caplog.messages


def test_it_reaches_a_real_receiver_with_its_facts(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with receiving() as receiver:
            hook = Way("hook", "webhook", Webhook(), f"{receiver.url}/secret/path")
            async with desk(tmp_path / "ledger.db", hook) as alerts:
                alerts.take(Look((condition(severity=Severity.URGENT),)))
                while not receiver.bodies:
                    await receiver.news.wait()
                assert await alerts.test("hook") == "127.0.0.1 answered with status 200"
                assert "secret" not in str(alerts.channels())
        first, test = receiver.bodies
        assert first["state"] == "open"
        assert first["severity"] == "urgent"
        assert receiver.headers[0]["idempotency-key"] == first["key"]
        assert test["title"] == "twotier: test"

    asyncio.run(scenario())


def test_a_test_message_says_what_became_of_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk(tmp_path / "ledger.db", way(Box(away(1)))) as alerts:
            with pytest.raises(DeliveryError, match="nobody there"):
                await alerts.test("phone")
            with pytest.raises(NotFoundError, match="no channel 'fax'; there are: phone"):
                await alerts.test("fax")
            alerts.use([], Habits())
            with pytest.raises(NotFoundError, match="there are: none"):
                await alerts.test("phone")

    asyncio.run(scenario())


def test_a_disk_that_cannot_be_written_holds_back_no_message(tmp_path: Path) -> None:
    """That the ledger is full is something to hear of, too."""
    box = Box()

    async def scenario() -> None:
        clock = HandClock()
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        alerts = Alerts(clock, ways=[way(box)])
        await alerts.open(book)
        await book.close()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            running = group.create_task(alerts.run())
            alerts(GIVEN_UP)
            await until(box, 1)
            running.cancel()

    asyncio.run(scenario())


def test_a_look_that_breaks_ends_neither_the_looking_nor_the_sending(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        clock, looks = HandClock(), asyncio.Semaphore(0)
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        alerts = Alerts(clock)
        await alerts.open(book)

        async def look() -> None:
            await asyncio.sleep(0)
            looks.release()
            raise ZeroDivisionError

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            running = group.create_task(alerts.run(look))
            for _ in range(3):
                await looks.acquire()
            running.cancel()
        await book.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert "a look broke" in caplog.messages
