"""When a job runs, in words that a person would use."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.jobs.making import cron_job, job
from twotier.jobs.schedule_words import spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1_800.0, "every 30 minutes"),
        (3_600.0, "every hour"),
        (5_400.0, "every 1 hour 30 minutes"),
        (86_400.0, "every day"),
        (1.0, "every second"),
        (0.5, "every 0.5 seconds"),
        (90.5, "every 90.5 seconds"),
    ],
)
def test_periods(seconds: float, words: str) -> None:
    assert spoken(job(every_seconds=seconds)) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("30 6 * * 1-5", "at 06:30 from Monday to Friday"),
        ("0 9,17 * * *", "at 09:00, 17:00"),
        ("5 8 * * sun,Wed", "at 08:05 on Sunday, Wednesday"),
        ("0 0 * * 7", "at 00:00 on Sunday"),
        ("15 * * * *", "at minute 15 of each hour"),
        ("*/10 * * * *", "every 10 minutes"),
        ("0 6 1 * *", "cron 0 6 1 * *"),
        ("0 6 * * mon#1", "cron 0 6 * * mon#1"),
        ("0 6 * * 9", "cron 0 6 * * 9"),
        ("0 8-18 * * *", "cron 0 8-18 * * *"),
        ("10 0 6 * * *", "cron 10 0 6 * * *"),
    ],
)
def test_cron_lines(line: str, words: str) -> None:
    assert spoken(cron_job(line, "UTC")) == f"{words}, UTC"


def test_the_other_ways_to_begin() -> None:
    at = datetime(2026, 12, 24, 17, 0, tzinfo=UTC)
    assert spoken(job(jitter_seconds=120.0)) == "every 10 minutes, moved by up to 2 minutes"
    once = job(every_seconds=None, at=at, zone="Europe/Berlin")
    assert spoken(once) == "once, on 24 December 2026 at 18:00, Europe/Berlin"
    assert spoken(job(every_seconds=None, after="brief")) == "after each good run of brief"
    assert spoken(job(every_seconds=None, webhook=True)) == "when something is posted to it"
