"""Which quarter-hours and days a span is made of, and where local days lie in it. Pure.

Sums are kept for every quarter of an hour and for every day of UTC, those of everything for every
hour too. A span is answered from whole days (or hours), from quarters at its edges, and from single
rows only inside the quarters that it cuts. Every zone of today differs from UTC by whole quarters,
so a local day is a sum of quarters, also one of 23 or 25 hours. Instants are milliseconds since
1970 in UTC; a span ends before its second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

QUARTER_MS = 15 * 60 * 1000
HOUR_MS = 4 * QUARTER_MS
DAY_MS = 24 * HOUR_MS
Span = tuple[int, int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = _EPOCH.date()


@dataclass(frozen=True, slots=True)
class Cover:
    """A span in pieces that do not overlap: whole days (or hours), quarters, and what there are no
    sums for.
    """

    whole: tuple[Span, ...] = ()
    quarters: tuple[Span, ...] = ()
    rest: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span in which the clocks of a zone are always this far ahead of UTC."""

    span: Span
    ahead_ms: int


def quarter_of(instant_ms: int) -> int:
    """The beginning of its quarter."""
    return instant_ms - instant_ms % QUARTER_MS


def day_of(instant_ms: int) -> int:
    """The beginning of its day in UTC."""
    return instant_ms - instant_ms % DAY_MS


def cover(span: Span, *, whole_ms: int = DAY_MS) -> Cover:
    """The fewest pieces that are this span exactly; none where it is empty."""
    since, until = span
    if since >= until:
        return Cover()
    first, last = _up(since, QUARTER_MS), quarter_of(until)
    if first > last:  # inside one quarter
        return Cover(rest=(span,))
    rest = _filled((since, first), (last, until))
    begin, end = _up(first, whole_ms), last - last % whole_ms
    if begin >= end:
        return Cover(quarters=_filled((first, last)), rest=rest)
    return Cover(((begin, end),), _filled((first, begin), (end, last)), rest)


def stretches(span: Span, zone: tzinfo) -> list[Stretch]:
    """The span, cut where the zone's clocks change."""
    since, until = span
    found: list[Stretch] = []
    while since < until:
        ahead = _ahead_ms(since, zone)
        end = min(until, since + DAY_MS)
        while end < until and _ahead_ms(end, zone) == ahead:
            end = min(until, end + DAY_MS)
        if _ahead_ms(end - 1, zone) != ahead:
            end = _change(max(since, end - DAY_MS), end - 1, zone=zone)
        found.append(Stretch((since, end), ahead))
        since = end
    return found


def local_day(number: int) -> date:
    """The date of a day, counted from 1970-01-01."""
    return _FIRST_DAY + timedelta(days=number)


def _change(before: int, after: int, *, zone: tzinfo) -> int:
    """The first instant that has another offset than `before`; `after` has it already."""
    ahead = _ahead_ms(before, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if _ahead_ms(middle, zone) == ahead:
            before = middle
        else:
            after = middle
    return after


def _ahead_ms(instant_ms: int, zone: tzinfo) -> int:
    moment = (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone)
    return (moment.utcoffset() or timedelta()) // timedelta(milliseconds=1)


def _up(instant_ms: int, step_ms: int) -> int:
    return instant_ms + -instant_ms % step_ms


def _filled(*spans: Span) -> tuple[Span, ...]:
    return tuple(span for span in spans if span[0] < span[1])
