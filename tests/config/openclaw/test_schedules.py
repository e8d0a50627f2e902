"""Our slots are OpenClaw's own for its schedules; where they are not, the case is a known one.

`schedules.json` holds the answers of OpenClaw's own code (see README.md beside it).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from twotier.config.openclaw.times import REPEATED, SKIPPED, When, when
from twotier.jobs.schedule import cron_after, every_after

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "schedules.json").read_text(encoding="utf-8")
)["rows"]
AGREE_MIN = 200

# What croner knows and we cannot say: named in docs/import-openclaw.md.
UNSAYABLE = {"0 9 15W * *", "0 9 1 * +1", "0 0 0 1 1 * 2028", "0 9 31 2 *"}
# Where the policy for the nights of daylight saving differs: told with the job's name.
OTHER_NIGHTS = {
    ("*/15 2 * * *", "Europe/Berlin"): SKIPPED,
    ("0 2 * * *", "Europe/Berlin"): SKIPPED,
    ("0 * * * *", "Europe/Berlin"): REPEATED,
}


def of_kind(kind: str) -> Iterator[dict[str, Any]]:
    return (row for row in ROWS if row["schedule"]["kind"] == kind)


@functools.cache
def asked() -> list[When]:
    """Our answer for each row, once."""
    return [
        when(row["schedule"], now=datetime.fromtimestamp(row["after"], UTC), local="UTC")
        for row in ROWS
    ]


def ours(row: dict[str, Any]) -> When:
    return asked()[ROWS.index(row)]


def slots(found: When, row: dict[str, Any]) -> list[float]:
    after = datetime.fromtimestamp(row["after"], UTC)
    ahead = cron_after(found.settings["cron"], found.settings["zone"], after=after)
    return [slot.timestamp() for slot in islice(ahead, len(row["next"]))]


def test_cron_runs_when_openclaw_would() -> None:
    """At least 200 schedules agree to the second, over zones and both changes of the clocks; each
    that does not is in a list, with its reason among what is told.
    """
    agreed, other = 0, []
    for row in of_kind("cron"):
        schedule, found = row["schedule"], ours(row)
        if found.problem or row.get("error"):
            continue
        if slots(found, row) == row["next"]:
            agreed += 1
            continue
        name = (schedule["expr"], schedule["tz"])
        other.append(name)
        assert OTHER_NIGHTS[name] in found.differs, schedule
    assert set(other) == set(OTHER_NIGHTS)
    assert agreed >= AGREE_MIN


def test_what_cannot_be_said_is_refused_and_nothing_else_is() -> None:
    refused = {row["schedule"]["expr"] for row in of_kind("cron") if ours(row).problem}
    wrong_there = {row["schedule"]["expr"] for row in of_kind("cron") if row.get("error")}
    assert refused - wrong_there == UNSAYABLE


def test_a_stagger_is_a_jitter_of_the_same_window() -> None:
    for row in of_kind("cron"):
        found = ours(row)
        if not found.problem and not row.get("error"):
            told = {"5m": 300_000, None: 0}[found.settings.get("jitter")]
            assert told == row["stagger"], row["schedule"]


def test_periods_agree_where_they_are_counted_from_the_epoch() -> None:
    """Those counted from another instant have the same period, and say so."""
    for row in of_kind("every"):
        found = ours(row)
        period = row["schedule"]["everyMs"] / 1_000
        after = datetime.fromtimestamp(row["after"], UTC)
        slots_ = [slot.timestamp() for slot in islice(every_after(period, after), 6)]
        if row["schedule"]["anchorMs"] == 0:
            assert slots_ == row["next"]
            assert found.differs == ()
        else:
            assert {b - a for a, b in zip(row["next"], row["next"][1:], strict=False)} == {period}
            assert "we from the full period since 1970" in found.differs[0]


@pytest.mark.parametrize("row", list(of_kind("at")), ids=lambda row: row["schedule"]["at"])
def test_an_instant_is_the_same_one(row: dict[str, Any]) -> None:
    found = ours(row)
    if not row["next"]:
        assert found.problem == "its time was 2026-01-01 00:00 UTC, which is over"
        return
    assert datetime.fromisoformat(found.settings["at"]).timestamp() == row["next"][0]
