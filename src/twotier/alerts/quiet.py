"""Quiet hours: until when a message is held, and the one message that all held ones become. Pure.

Quiet hours follow the wall clock of a named zone and may span midnight. What a change of the clocks
skips or repeats only moves their end by that hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from twotier.alerts.incidents import digest_of
from twotier.domain.alert import Severity

LINES_MAX = 50  # of a digest; more are counted


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begins` to `ends` on the wall clock of `zone`."""

    begins: time
    ends: time
    zone: str


@dataclass(frozen=True, slots=True)
class Held:
    """A message that waited, as far as a digest tells it."""

    key: str
    title: str
    text: str
    severity: Severity
    at: datetime


@dataclass(frozen=True, slots=True)
class Digest:
    """The message that stands for several."""

    key: str
    title: str
    text: str
    severity: Severity


def held_until(quiet: QuietHours | None, severity: Severity, *, now: datetime) -> datetime:
    """When a message of this severity may go out: now, or at the end of the quiet hours."""
    if quiet is None or severity is Severity.URGENT:
        return now
    local = now.astimezone(ZoneInfo(quiet.zone))
    wall = local.time()
    spans_midnight = quiet.begins > quiet.ends
    after, before = wall >= quiet.begins, wall < quiet.ends
    if not (after or before if spans_midnight else after and before):
        return now
    day = local.date() + timedelta(days=1 if spans_midnight and after else 0)
    ends = datetime.combine(day, quiet.ends, ZoneInfo(quiet.zone)).astimezone(UTC)
    return max(now, ends)


def digest(held: Sequence[Held], *, zone: str) -> Digest:
    """All of them as one, the oldest first; the key follows from theirs."""
    lines = []
    for one in held[:LINES_MAX]:
        at = one.at.astimezone(ZoneInfo(zone))
        title = one.title.removeprefix("twotier: ")
        lines.append(f"{at:%H:%M} {title}: {' '.join(one.text.split())}")
    more = len(held) - len(lines)
    lines += [f"and {more} more; `twotier status` shows what is open"] if more else []
    severity = max((one.severity for one in held), key=lambda severity: severity.rank)
    key = digest_of("\n".join(one.key for one in held))
    title = f"twotier: {len(held)} messages of the quiet hours"
    return Digest(key, title, "\n".join(lines), severity)
