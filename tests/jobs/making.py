"""What tests of jobs begin with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from twotier.domain.job import Job
from twotier.domain.tier import TierPolicy

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

JOB = Job(
    name="inbox",
    prompt="Summarise in three lines.",
    every_seconds=600.0,
    cron="",
    zone="UTC",
    watch=None,
    tier=TierPolicy.LOCAL_ONLY,
    model="auto",
    deliver="file:outbox/{stem}.txt",
    each=True,
    answer_lines=0,
    output_tokens_max=400,
    deadline_seconds=30.0,
    missed="once",
    enabled=True,
    root="/",
)


def job(**changes: Any) -> Job:
    """A job like `JOB`, but for `changes`."""
    return replace(JOB, **changes)


def cron_job(cron: str, zone: str) -> Job:
    """A job at wall times."""
    return job(every_seconds=None, cron=cron, zone=zone)


class HandClock:
    """A clock that stands still until it is turned; sleepers wake in order."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._passed_seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._passed_seconds

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self._passed_seconds + seconds, woken))
        await woken.wait()

    def turn(self, seconds: float) -> None:
        """Let time pass at once, as when the machine slept."""
        self._now += timedelta(seconds=seconds)
        self._passed_seconds += seconds
        due = [one for one in self._sleepers if one[0] <= self._passed_seconds]
        self._sleepers = [one for one in self._sleepers if one[0] > self._passed_seconds]
        for _, woken in due:
            woken.set()
