"""Sums over any span, by anything there are sums for, from the rollups.

Whole days and quarters come from the rollups; only what lies in a quarter that the span cuts is
summed from its rows. So the time an answer takes depends on the length of the span, and not on how
many rows lie in it. Rows older than the ledger keeps are known by their quarters alone: a span
that cuts such a quarter takes all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import tzinfo
from operator import add

import sqlalchemy as sa

from twotier.ledger.meta import ROWS_FROM
from twotier.ledger.rollups import DIMENSIONS, MEASURES, ROW_SUMS
from twotier.ledger.schema import meta, rollups, usage
from twotier.ledger.spans import (
    DAY_MS,
    HOUR_MS,
    QUARTER_MS,
    Cover,
    Span,
    cover,
    local_day,
    stretches,
)
from twotier.ledger.spans import quarter_of as down

# What people say -> the word of the rows.
DIMENSION_OF = {**{name: name for name in DIMENSIONS}, "key": "client"}
CALENDAR = ("day", "month")
SPEND_BY = (*DIMENSION_OF, *CALENDAR)

_SUMS = tuple(sa.func.sum(rollups.c[name]) for name in MEASURES)


@dataclass(frozen=True, slots=True)
class SpendRow:
    """What one key (a tier, a model, a day as YYYY-MM-DD, a month as YYYY-MM) used and cost.

    `attempts` were made at an upstream, probes among them; `requests` counts requests of people and
    jobs, and a retried one once, where it was tried first. `thinking_tokens` are a part of the
    output. `reserved_microusd` is held by the `open` attempts, those under way. `estimated` and
    `unknown` count the attempts whose cost is marked so. Of the cost `fees_microusd` were for uses
    of server tools, so many web searches among them.
    """

    key: str
    attempts: int = 0
    requests: int = 0
    fresh_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    cost_microusd: int = 0
    reserved_microusd: int = 0
    open: int = 0
    estimated: int = 0
    unknown: int = 0
    fees_microusd: int = 0
    web_searches: int = 0

    def plus(self, other: SpendRow) -> SpendRow:
        """Both together, under this row's key."""
        return SpendRow(self.key, *map(add, self.sums, other.sums))

    @property
    def sums(self) -> tuple[int, ...]:
        """Everything but the key."""
        return tuple(getattr(self, name) for name in _FIELDS)


_FIELDS = tuple(field.name for field in fields(SpendRow))[1:]
_Keyed = Iterable[Sequence[int | str]]


def spend_by(connection: sa.Connection, by: str, *, span: Span, zone: tzinfo) -> list[SpendRow]:
    """Sums of the span; the dearest first, days and months in order.

    `by` is one of `SPEND_BY`; `zone` says where days and months begin. The connection holds a
    transaction, so that all of it is of one moment.
    """
    if by in CALENDAR:
        days = _days(connection, span, zone=zone)
        return _summed((str(key)[:7] if by == "month" else key, *sums) for key, *sums in days)
    pieces = cover(_known(connection, span))
    rows = _summed(_keyed(connection, DIMENSION_OF[by], pieces=pieces))
    return sorted(rows, key=lambda row: (-row.cost_microusd, -row.requests, row.key))


def _known(connection: sa.Connection, span: Span) -> Span:
    """The span, with all of a quarter whose rows are gone."""
    rows_from = connection.scalar(sa.select(meta.c.value).where(meta.c.key == ROWS_FROM))
    edge, (since, until) = int(rows_from or 0), span
    return (
        down(since) if since < edge else since,
        down(until + QUARTER_MS - 1) if until < edge else until,
    )


def _keyed(connection: sa.Connection, dimension: str, *, pieces: Cover) -> Iterator[Sequence[int]]:
    for grain, spans in (("day", pieces.whole), ("quarter", pieces.quarters)):
        for span in spans:
            statement = (
                sa.select(rollups.c.key, *_SUMS)
                .where(_within(grain, span), rollups.c.dimension == dimension)
                .group_by(rollups.c.key)
            )
            yield from connection.execute(statement)
    group = usage.c[dimension]
    for span in pieces.rest:
        yield from connection.execute(_rows(group, span))


def _days(connection: sa.Connection, span: Span, *, zone: tzinfo) -> Iterator[Sequence[int | str]]:
    """Sums with the date they belong to; a date may come more than once."""
    for stretch in stretches(_known(connection, span), zone):
        # Where the clocks are whole hours ahead or behind, a local day is a sum of hours.
        whole_ms = QUARTER_MS if stretch.ahead_ms % HOUR_MS else HOUR_MS
        pieces = cover(stretch.span, whole_ms=whole_ms)
        number = (rollups.c.start_ms + stretch.ahead_ms) // DAY_MS
        found: list[sa.Executable] = [
            sa.select(number, *_SUMS).where(_within(grain, part)).group_by(number)
            for grain, parts in (
                ("quarter_total" if whole_ms == QUARTER_MS else "hour_total", pieces.whole),
                ("quarter_total", pieces.quarters),
            )
            for part in parts
        ]
        number = (usage.c.created_ms + stretch.ahead_ms) // DAY_MS
        found += [_rows(number, part) for part in pieces.rest]
        for statement in found:
            for day, *sums in connection.execute(statement):
                yield (local_day(day).isoformat(), *sums)


def _rows(group: sa.ColumnElement[str] | sa.ColumnElement[int], span: Span) -> sa.Executable:
    return (
        sa.select(group, *ROW_SUMS)
        .where(usage.c.created_ms >= span[0], usage.c.created_ms < span[1])
        .group_by(group)
    )


def _within(grain: str, span: Span) -> sa.ColumnElement[bool]:
    start = rollups.c.start_ms
    return sa.and_(rollups.c.grain == grain, start >= span[0], start < span[1])


def _summed(found: Iterable[Sequence[int | str]]) -> list[SpendRow]:
    """One row for each key, in the order of the keys; sums that came to nothing are left out."""
    rows: dict[str, SpendRow] = {}
    for key, *sums in found:
        row = SpendRow(str(key), *map(int, sums))
        rows[row.key] = rows[row.key].plus(row) if row.key in rows else row
    return [rows[key] for key in sorted(rows) if any(rows[key].sums)]
