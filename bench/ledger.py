"""What the ledger costs: to hold and settle at a rate, beside the disk's own fsync; to look back.

`BENCH_LEDGER_ROWS` says how many rows lie in the file that is looked at (10,000,000 of two years;
3 GB in the folder for temporary files while it runs).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from bench.figures import Figure, spread
from twotier.clock import SystemClock
from twotier.domain.message import Usage
from twotier.domain.money import FREE, Attempt, Budget, Outcome, Price, Settled, Settlement
from twotier.ledger.book import Book
from twotier.ledger.migrate import migrate
from twotier.ledger.reports import Reports
from twotier.ledger.rollups import days_of_rows, rebuild
from twotier.ledger.rows import USAGE_COLUMNS
from twotier.ledger.spending import SPEND_BY
from twotier.ledger.store import create_private, transaction

ROWS = int(os.environ.get("BENCH_LEDGER_ROWS", "10000000"))
DAYS = 730
END = datetime(2026, 11, 30, 10, 7, tzinfo=UTC)
ZONE = "America/Los_Angeles"
VIEWS = 5  # times each is looked at
A_SECOND = 200
SECONDS = 10
MILLI = 1e3
PRICE = Price(5_000_000, 25_000_000, 500_000, 6_250_000, 10_000_000, "2026-02-05", "bench")
BUDGETS = (
    Budget("day", "day", ZONE, None, 10**12, "stop"),
    Budget("month", "month", ZONE, None, 10**12, "stop"),
    Budget("mail", "day", ZONE, None, 10**12, "stop", job="mail"),
)


def figures(folder: Path) -> Iterator[Figure]:
    """A quarter of a minute for the rate, some minutes for the rows."""
    yield from paces(folder / "paces")
    yield from views(folder / "views.db")


def paces(folder: Path) -> Iterator[Figure]:
    """Reserve and settle at a steady rate, with twice as many free rows beside, and fsync alone."""
    folder.mkdir()
    before = fsyncs(folder)
    took = asyncio.run(held(folder / "ledger.db"))
    synced = before + fsyncs(folder)
    p99, sync99 = percentile(took, 99), percentile(synced, 99)
    aim = 2 * sync99 + 2
    yield Figure(
        f"reserve + settle at {A_SECOND}/s: p99",
        f"<= {aim:.1f} ms (2 fsyncs + 2 ms)",
        f"{p99:.1f} ms, median {percentile(took, 50):.1f}; fsync of one page beside it:"
        f" median {percentile(synced, 50):.2f}, p99 {sync99:.2f} ms",
    )


def fsyncs(folder: Path) -> list[float]:
    """Milliseconds to write one page behind the others and have it on disk."""
    took = []
    with (folder / "fsync").open("ab", buffering=0) as file:
        for _ in range(300):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * MILLI)
            time.sleep(0.002)
    return took


async def held(path: Path) -> list[float]:
    """Milliseconds of each reserve and settle together, at a steady rate that waits for nobody."""
    book = await Book.open(path, clock=SystemClock())
    took: list[float] = []

    async def one(number: int) -> None:
        began = time.perf_counter()
        attempt = row(number, price=PRICE)
        await book.reserve(attempt, BUDGETS)
        middle = time.perf_counter()
        await asyncio.sleep(0.05)  # the answer
        again = time.perf_counter()
        await book.settle(attempt.id, END_OK)
        took.append((middle - began + time.perf_counter() - again) * MILLI)

    async with asyncio.TaskGroup() as group:
        start = time.perf_counter()
        for number in range(A_SECOND * SECONDS):
            await asyncio.sleep(max(0.0, start + number / A_SECOND - time.perf_counter()))
            group.create_task(one(number))
            for beside in range(2):
                free = replace(row(number, price=FREE), id=f"f{number}-{beside}")
                book.record(free, replace(END_OK, cost_microusd=0))
    await book.close()
    return took


END_OK = Settlement(Settled.SETTLED, Outcome.OK, 700, Usage(900, 40, 20_000), "served")


def row(number: int, *, price: Price) -> Attempt:
    """One of a few clients' and jobs'."""
    return Attempt(
        id=f"r{number}-0",
        request_id=f"r{number}",
        tier="frontier" if price is PRICE else "local",
        provider="anthropic",
        model="claude-opus-4-6",
        model_asked="auto",
        rule="kind",
        price=price,
        reserved_microusd=0 if price is FREE else 9000,
        client=f"key{number % 5}",
        job=("", "mail", "brief")[number % 3],
    )


def views(path: Path) -> Iterator[Figure]:
    """Every view of a day, a month, and of all of it, with edges that cut a quarter."""
    began = time.perf_counter()
    fill(path)
    built = time.perf_counter() - began
    began = time.perf_counter()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        with transaction(connection):
            rebuild(connection, days_of_rows(connection))
        (sums,) = connection.execute("SELECT count(*) FROM rollups").fetchone()
    yield Figure(
        f"{ROWS:,} rows of {DAYS} days: the sums made anew from them",
        "",
        f"{time.perf_counter() - began:.0f} s, {sums:,} sums,"
        f" {path.stat().st_size / 1e9:.1f} GB (rows made in {built:.0f} s)",
    )
    reports = Reports(path)
    spans = {
        "today": END - timedelta(hours=10, minutes=7),
        "this month": END - timedelta(days=29, hours=2, minutes=7),
        "a year": END - timedelta(days=365, minutes=3),
        "all of it": END - timedelta(days=DAYS + 1),
    }
    for name, since in spans.items():
        worst: dict[str, list[float]] = {}
        for by in SPEND_BY:
            for _ in range(VIEWS):
                began = time.perf_counter()
                reports.spend(by=by, since=since, until=END, zone=ZONE)
                worst.setdefault(by, []).append((time.perf_counter() - began) * MILLI)
        slow = max(worst, key=lambda by: statistics.median(worst[by]))
        every = ", ".join(f"{by} {statistics.median(took):.0f}" for by, took in worst.items())
        yield Figure(
            f"`spend` over {name}, {ROWS:,} rows: the slowest view ({slow})",
            "<= 100 ms",
            f"{spread(worst[slow], '.0f')} ms; {every}",
        )


def fill(path: Path, *, rows: int = ROWS, days: int = DAYS, end: datetime = END) -> None:
    """Rows by SQL alone: four of five are free, spread evenly over the days."""
    create_private(path)
    migrate(path)
    step = days * 86_400_000 / rows
    values = {
        "attempt_id": "'r' || n || '-0'",
        "request_id": "'r' || n",
        "created_ms": f"CAST({int(end.timestamp() * 1000)} - n * {step} AS INTEGER)",
        "tier": "CASE n % 5 WHEN 0 THEN 'frontier' ELSE 'local' END",
        "provider": "'anthropic'",
        "model": "'model-' || (n % 4)",
        "rule": "'rule-' || (n % 6)",
        "client": "'key-' || (n % 10)",
        "job": "'job-' || (n % 8)",
        "kind": "'request'",
        "settled": "CASE n % 100 WHEN 0 THEN 'estimated' ELSE 'settled' END",
        "outcome": "'ok'",
        "input_tokens": "900",
        "output_tokens": "40",
        "cost_microusd": "CASE n % 5 WHEN 0 THEN 700 ELSE 0 END",
        "reserved_microusd": "CASE n % 5 WHEN 0 THEN 9000 ELSE 0 END",
        "requests": "1",
    }
    words: tuple[str, ...] = (
        "model_asked",
        "model_served",
        "run",
        "step",
        "error",
        "price_since",
        "price_source",
    )
    words += ("repairs", "price_terms", "price_applied", "owner")
    default = {name: "''" if name in words else "0" for name in USAGE_COLUMNS} | values
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute(
            "WITH RECURSIVE made(n) AS"
            f" (SELECT 1 UNION ALL SELECT n + 1 FROM made WHERE n < {rows})"
            f" INSERT INTO usage ({', '.join(USAGE_COLUMNS)})"
            f" SELECT {', '.join(default[name] for name in USAGE_COLUMNS)} FROM made"
        )
        for _, sql in indexes:
            connection.execute(sql)


def percentile(values: list[float], percent: int) -> float:
    """Linear between two, as everywhere here."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
