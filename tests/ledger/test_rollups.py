"""The sums are those of the rows after every transaction, and every view is the rows' own."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from tests.ledger.toys import NOON, HandClock, free, paid, settled
from twotier.domain.message import Usage
from twotier.domain.money import Outcome, Settled, Settlement
from twotier.ledger.book import Book
from twotier.ledger.rollups import days_of_rows, differing, moves, rebuild
from twotier.ledger.spans import DAY_MS, quarter_of
from twotier.ledger.spending import SPEND_BY, SpendRow
from twotier.ledger.store import connect, transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wrong_days(path: Path) -> list[int]:
    with closing(connect(path)) as connection:
        return differing(connection, days_of_rows(connection))


async def life(book: Book, clock: HandClock, *, seed: int) -> None:
    """Paid and free, tried again, open and closed in every way, over a few days."""
    chance = random.Random(seed)
    for number in range(150):
        clock.turn(chance.choice((0, 1, 60, 900, 7000)))
        request = f"r{chance.randrange(100)}"
        words = {
            "client": chance.choice(("", "phone", "laptop")),
            "job": chance.choice(("", "mail")),
            "model": chance.choice(("m1", "m2")),
            "rule": chance.choice(("kind", "time")),
        }
        fresh, out, read, write, write_1h, thought = (chance.randrange(1000) for _ in range(6))
        usage = Usage(fresh, out, read, write, write_1h, thought)
        state = chance.choice((Settled.SETTLED, Settled.ESTIMATED, Settled.UNKNOWN, Settled.VOID))
        end = Settlement(state, Outcome.OK, chance.randrange(5000), usage)
        end = replace(end, fees_microusd=chance.choice((0, 0, 10_000)))
        if chance.random() < 0.5:
            one = replace(free(f"f{number}"), request_id=request, **words)
            book.record(one, replace(end, cost_microusd=0))
            if chance.random() < 0.1:
                book.record(one, replace(end, cost_microusd=0))  # the same again
            continue
        one = replace(paid(f"p{number}", chance.randrange(9000)), request_id=request, **words)
        await book.reserve(one)
        if chance.random() < 0.8:
            await book.settle(one.id, end)
            await book.settle(one.id, end)  # the second time changes nothing
    await book.flush()


def by_hand(rows: Iterable[sqlite3.Row], by: str, *, zone: str) -> dict[str, SpendRow]:
    """The view, straight from the rows."""
    found: dict[str, SpendRow] = {}
    for row in rows:
        local = (EPOCH + timedelta(milliseconds=row["created_ms"])).astimezone(ZoneInfo(zone))
        key = {"day": local.date().isoformat(), "month": local.strftime("%Y-%m")}.get(by) or (
            row["client" if by == "key" else by] if by not in ("day", "month") else ""
        )
        is_open = row["settled"] == "open"
        one = SpendRow(
            key,
            1,
            row["requests"],
            row["input_tokens"],
            row["cache_read_tokens"],
            row["cache_write_tokens"] + row["cache_write_1h_tokens"],
            row["output_tokens"],
            row["reasoning_tokens"],
            row["cost_microusd"],
            row["reserved_microusd"] if is_open else 0,
            int(is_open),
            int(row["settled"] == "estimated"),
            int(row["settled"] == "unknown"),
            row["fees_microusd"],
            row["web_searches"],
        )
        found[key] = found[key].plus(one) if key in found else one
    return found


def table(path: Path, sql: str, *values: Any) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(sql, values).fetchall()


@pytest.mark.parametrize("seed", range(4))
def test_every_view_of_every_span_is_what_the_rows_say(tmp_path: Path, seed: int) -> None:
    """By everything, in several zones, for spans that cut quarters, and for none at all."""
    path, clock = tmp_path / "ledger.db", HandClock()
    chance = random.Random(seed)

    async def lived() -> None:
        book = await Book.open(path, clock=clock)
        await life(book, clock, seed=seed)
        assert wrong_days(path) == []
        length = clock.now() - NOON
        spans = [(NOON, clock.now() + timedelta(hours=1)), (NOON, NOON)]
        for _ in range(12):
            since = NOON + length * chance.random()
            until = since + length * chance.random() * chance.choice((0.01, 1))
            spans.append((since, until))
        for since, until in spans:
            edges = [int(edge.timestamp() * 1000) for edge in (since, until)]
            rows = table(
                path, "SELECT * FROM usage WHERE created_ms >= ? AND created_ms < ?", *edges
            )
            for by in SPEND_BY:
                zone = chance.choice(("UTC", "America/Los_Angeles", "Asia/Kathmandu"))
                told = await book.spend(by=by, since=since, until=until, zone=zone)
                assert {row.key: row for row in told} == by_hand(rows, by, zone=zone)
        await book.close()

    asyncio.run(lived())


def test_a_restart_and_what_it_charges_keep_the_sums(tmp_path: Path) -> None:
    """Open rows of the earlier life are charged in the rows and in the sums alike."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def lived() -> int:
        book = await Book.open(path, clock=clock)
        await life(book, clock, seed=7)
        await book.close()
        clock.turn(3600)
        again = await Book.open(path, clock=clock)
        found = await again.spend(by="tier", since=NOON, until=clock.now())
        await again.close()
        assert sum(row.open for row in found) == 0
        return again.recovered

    assert asyncio.run(lived()) > 0
    assert wrong_days(path) == []
    with closing(connect(path)) as connection:
        (attempts,) = connection.execute("SELECT count(*) FROM usage").fetchone()
        assert moves(connection) == 2 * attempts


def test_a_request_counts_once_whatever_it_was_tried_at_first(tmp_path: Path) -> None:
    """Also when its first row could not be written: then the next one counts."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def lived() -> None:
        book = await Book.open(path, clock=clock)
        for number in range(3):
            await book.reserve(replace(paid(f"a{number}", 1), request_id="r"))
        book.record(replace(free("b"), request_id="r"), settled())
        book.record(free("probe", kind="probe"), settled())
        await book.flush()
        connection = book._writer._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        book.record(free("large"), replace(settled(), error="x" * 90_000))
        with pytest.raises(Exception, match="full"):
            await book.reserve(replace(paid("c0", 1), request_id="s"))
        connection.execute("PRAGMA max_page_count = 1000000")
        await book.reserve(replace(paid("c1", 1), request_id="s"))
        await book.flush()
        await book.close()

    asyncio.run(lived())
    counted = {row["attempt_id"] for row in table(path, "SELECT * FROM usage WHERE requests = 1")}
    assert counted == {"a0", "c1", "large"}
    assert wrong_days(path) == []


def test_a_ledger_without_sums_gets_them(tmp_path: Path) -> None:
    """As an older program left it; and days that are wrong are put right, the others left."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def lived() -> None:
        book = await Book.open(path, clock=clock)
        await life(book, clock, seed=3)
        await book.close()

    async def opened() -> None:
        book = await Book.open(path, clock=clock)
        await book.close()

    asyncio.run(lived())
    asyncio.run(opened())  # charges what was left open
    whole = table(path, "SELECT * FROM rollups ORDER BY 1, 2, 3, 4")
    with closing(connect(path)) as connection:
        days = days_of_rows(connection)
        assert len(days) > 2
        connection.execute("DELETE FROM rollups")
        assert differing(connection, days) == days
    asyncio.run(opened())
    filled = table(path, "SELECT * FROM rollups WHERE attempts > 0 ORDER BY 1, 2, 3, 4")
    assert [tuple(row) for row in filled] == [tuple(row) for row in whole]
    with closing(connect(path)) as connection:
        connection.execute(
            "UPDATE rollups SET cost_microusd = 1 WHERE grain = 'quarter' AND start_ms >= ?"
            " AND start_ms < ?",
            (days[1], days[1] + DAY_MS),
        )
        assert differing(connection, days) == [days[1]]
        with transaction(connection):
            rebuild(connection, [days[1]])
        assert differing(connection, days) == []


def test_a_batch_writes_its_sums_once(tmp_path: Path) -> None:
    """Hundreds of free rows in one transaction touch each group's sums one time."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def lived() -> dict[str, int]:
        book = await Book.open(path, clock=clock)
        await book.reserve(paid("first", 1))
        connection = book._writer._connection
        assert connection is not None
        statements: dict[str, int] = defaultdict(int)
        connection.set_trace_callback(
            lambda sql: statements.__setitem__(sql[:19], 1 + statements[sql[:19]])
        )
        for number in range(400):
            book.record(free(f"f{number}"), settled())
        await book.flush()
        connection.set_trace_callback(None)
        await book.close()
        return statements

    statements = asyncio.run(lived())
    assert statements["INSERT INTO rollups"] == statements["COMMIT"] <= 2
    (row,) = table(
        path,
        "SELECT * FROM rollups WHERE grain = 'quarter' AND dimension = 'tier' AND key = 'local'",
    )
    assert (row["attempts"], row["start_ms"]) == (400, quarter_of(int(NOON.timestamp() * 1000)))


def test_a_request_counts_where_it_was_tried_first(tmp_path: Path) -> None:
    """At the tier that costs nothing, though its row lies waiting when the reservation comes."""
    path = tmp_path / "ledger.db"

    async def lived() -> None:
        book = await Book.open(path, clock=HandClock())
        book.record(replace(free("down"), request_id="r"), settled())
        await book.reserve(replace(paid("next", 1), request_id="r"))
        await book.close()

    asyncio.run(lived())
    counted = {row["attempt_id"] for row in table(path, "SELECT * FROM usage WHERE requests = 1")}
    assert counted == {"down"}
