"""Nothing lost: what must be true after a day, whatever happened in it.

The frontier's own bill is the truth for money, the calendar for runs, the inbox for items, and what
clients saw for answers.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tests.faults.crowd import Seen
from tests.faults.invariant import every_request_has_its_row, paid_rows
from twotier.domain.money import Settled

if TYPE_CHECKING:
    from tests.simulator.day import Day

DATABASES = ("ledger.db", "work.db", "answers.db")
ENDS = frozenset({"quiet", "done", "late", "missed", "skipped", "failed", "interrupted"})


def check(day: Day) -> None:
    """Raises `AssertionError` with the first thing that is not as it must be."""
    assert not day.universe.defects, f"nobody caught: {day.universe.defects[:3]}"
    files_are_whole(day.home)
    money_is_right(day)
    clients_know(day)
    runs_are_there(day)
    items_are_done(day)
    assert not day.paid.twice, f"paid twice: {day.paid.twice}"
    busy = {name: value for name, value in day.at_rest.items() if value}
    assert not busy, f"not at rest in the evening: {busy}"


def files_are_whole(home: Path) -> None:
    """Every database, by SQLite's own word, and no run of the ledger began with a broken one."""
    for name in DATABASES:
        if (home / name).exists():
            with closing(sqlite3.connect(home / name)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), name
    aside = [path.name for path in home.iterdir() if "broken" in path.name]
    assert not aside, f"a database was kept aside: {aside}"


def money_is_right(day: Day) -> None:
    """Invariant N, and no budget overshot."""
    rows = paid_rows(day.home / "ledger.db")
    assert not [row for row in rows if row.settled is Settled.OPEN], "a row is open for ever"
    every_request_has_its_row(rows, day.frontier.bill)  # type: ignore[arg-type]
    over = [row for row in rows if row.cost_microusd > row.reserved_microusd]
    assert not over, f"cost more than was reserved: {over[:3]}"
    for budget in day.plan.budgets:
        limit = budget.limit_microusd or 0
        spent = spent_by_day(day, budget.zone, background=budget.work == "background")
        high = {when: cost for when, cost in spent.items() if cost > limit}
        assert not high, f"budget {budget.name} of {limit} was overshot: {high}"


def spent_by_day(day: Day, zone: str, *, background: bool) -> Counter[date]:
    """What the ledger charged, by its own dates; what was asked to prove the end counts nowhere."""
    query = "SELECT created_ms, cost_microusd FROM usage WHERE provider = 'anthropic'"
    query += " AND created_ms < ? AND background >= ?"
    spent: Counter[date] = Counter()
    with closing(sqlite3.connect(day.home / "ledger.db")) as connection:
        for at_ms, cost in connection.execute(query, (day.lifted_ms, int(background))):
            at = datetime.fromtimestamp(at_ms / 1_000, ZoneInfo(zone))
            spent[at.date()] += cost
    return spent


def clients_know(day: Day) -> None:
    """A whole answer or a visible error, never a made-up end."""
    lies = [one for one in day.told if one.seen is Seen.LIE]
    assert not lies, f"took half an answer for a whole one: {lies[0]}"


def runs_are_there(day: Day) -> None:
    """Each slot of each job has one row, with an end; each good run has one file."""
    with closing(sqlite3.connect(day.home / "work.db")) as connection:
        rows = connection.execute("SELECT id, job, slot_ms, state, items FROM runs").fetchall()
    odd = [row for row in rows if row[3] not in ENDS]
    assert not odd, f"runs without an end: {odd[:3]}"
    twice = [key for key, count in Counter((row[1], row[2]) for row in rows).items() if count > 1]
    assert not twice, f"a slot ran twice: {twice[:3]}"
    if not day.plan.steps_clock:
        slots_are_those_of_the_calendar(day, rows)
    for run_id, job, _, state, _ in rows:
        if state in ("done", "late") and job != "watches":
            files = sorted(path.name for path in (day.home / "out" / job).glob(f"{run_id}*"))
            assert files == [f"{run_id}.txt"], f"{run_id} is {state}, and delivered {files}"


def slots_are_those_of_the_calendar(day: Day, rows: list[tuple[str, str, int, str, int]]) -> None:
    """By a calendar of our own: an interval counts from 1970, a wall time comes once a day."""
    first, last = day.counted_from, day.clock.true()
    for job in day.plan.jobs:
        there = {datetime.fromtimestamp(row[2] / 1_000, UTC) for row in rows if row[1] == job.name}
        if job.every_seconds is not None:
            due = every(job.every_seconds, first, last)
        else:
            due = walls(job.cron, job.zone, first=first, last=last)
        missing, more = sorted(due - there), sorted(there - due)
        slack = {one for one in missing if one <= first + timedelta(seconds=30)}
        assert not more, f"{job.name} ran at slots that there are not: {more[:3]}"
        assert set(missing) <= slack, f"{job.name} has no row for {missing[:3]}"


def every(seconds: float, first: datetime, last: datetime) -> set[datetime]:
    """Multiples of an interval."""
    number, found = int(first.timestamp() // seconds) + 1, set()
    while number * seconds <= last.timestamp():
        found.add(datetime.fromtimestamp(number * seconds, UTC))
        number += 1
    return found


def walls(cron: str, zone: str, *, first: datetime, last: datetime) -> set[datetime]:
    """Wall times: where the hour is missing right after the gap, where it comes twice the first."""
    minute, hour = cron.split()[:2]
    hours = range(0, 24, int(hour[2:])) if hour.startswith("*/") else [int(hour)]
    place, found = ZoneInfo(zone), set()
    for ahead in range(-1, 4):
        on = (first.astimezone(place) + timedelta(days=ahead)).date()
        for one in hours:
            at = real(datetime.combine(on, time(one, int(minute))), place)
            if first < at <= last:
                found.add(at)
    return found


def real(wall: datetime, place: ZoneInfo) -> datetime:
    """The first instant at which the clock shows this, or the next minute that it shows."""
    while True:
        at = wall.replace(tzinfo=place).astimezone(UTC)
        if at.astimezone(place).replace(tzinfo=None) == wall:
            return at
        wall += timedelta(minutes=1)


def items_are_done(day: Day) -> None:
    """Whatever was dropped into the inbox is known once, and was worked on or waits for that."""
    with closing(sqlite3.connect(day.home / "work.db")) as connection:
        rows = connection.execute("SELECT id, state FROM items").fetchall()
        last = connection.execute("SELECT max(slot_ms) FROM runs WHERE job = 'watches'").fetchone()
    assert len(rows) <= day.dropped, f"{len(rows)} items of {day.dropped} files"
    assert last is not None
    states = Counter(row[1] for row in rows)
    assert not states["taken"], "an item is taken by a run that is over"
