"""Sums of the rows, kept in the same transaction: for every quarter-hour and every day of UTC.

A transaction gathers its changes in memory (`Deltas`) and writes them with one statement, so a
batch of five hundred free rows costs the sums no more than one row does. Rows are the truth: what
their sums must be is computed by `expected`, from the rows alone and with the same arithmetic, and
`rebuild` puts that in place of what is stored. Rows that retention has deleted live on in here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import add
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from twotier.domain.money import Settled
from twotier.ledger.schema import rollups, usage
from twotier.ledger.spans import DAY_MS, HOUR_MS, QUARTER_MS, Span, day_of, quarter_of

Row = tuple[Any, ...]
Key = tuple[str, int, str, str]  # grain, start_ms, dimension, key

DIMENSIONS: Final = ("tier", "model", "client", "job", "rule")
MEASURES: Final = (
    "attempts",
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_microusd",
    "reserved_microusd",
    "open_attempts",
    "estimated",
    "unknown",
    "fees_microusd",
    "web_searches",
)
# What `Deltas` wants to know of a row, in this order.
MOVED: Final = (
    "created_ms",
    *DIMENSIONS,
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_microusd",
    "reserved_microusd",
    "settled",
    "fees_microusd",
    "web_searches",
)
_WORDS = len(DIMENSIONS)
_OPENED = 2  # a row counts two moves: one when it is written, one when it is closed
# What one row adds to: quarter, hour and day of everything, quarter and day of each of its words.
ROWS_AT_ONCE = 3 + 2 * len(DIMENSIONS)
_DIALECT = sqlite.dialect(paramstyle="qmark")
_COLUMNS = ("grain", "start_ms", "dimension", "key", *MEASURES)
_NOTHING = (0,) * len(MEASURES)


def _upsert() -> str:
    values: list[dict[str, sa.BindParameter[Any]]] = [
        {name: sa.bindparam(f"{name}_{row}") for name in _COLUMNS} for row in range(ROWS_AT_ONCE)
    ]
    statement = sqlite.insert(rollups).values(values)
    sums = {name: rollups.c[name] + statement.excluded[name] for name in MEASURES}
    compiled = statement.on_conflict_do_update(index_elements=_COLUMNS[:4], set_=sums).compile(
        dialect=_DIALECT
    )
    order = [f"{name}_{row}" for row in range(ROWS_AT_ONCE) for name in _COLUMNS]
    if compiled.positiontup != order:
        raise AssertionError(f"the tuples do not fit the statement: {compiled}")
    return str(compiled)


UPSERT: Final = _upsert()


def _count_if(state: Settled) -> sa.ColumnElement[int]:
    return sa.func.count().filter(usage.c.settled == sa.literal_column(f"'{state.value}'"))


_ZERO: Final[sa.ColumnElement[int]] = sa.literal_column("0")
OPEN: Final = usage.c.settled == sa.literal_column(f"'{Settled.OPEN.value}'")
# The same sums over rows, in the order of `MEASURES`.
ROW_SUMS: Final[tuple[sa.ColumnElement[int], ...]] = (
    sa.func.count(),
    sa.func.sum(usage.c.requests),
    sa.func.sum(usage.c.input_tokens),
    sa.func.sum(usage.c.cache_read_tokens),
    sa.func.sum(usage.c.cache_write_tokens + usage.c.cache_write_1h_tokens),
    sa.func.sum(usage.c.output_tokens),
    sa.func.sum(usage.c.reasoning_tokens),
    sa.func.sum(usage.c.cost_microusd),
    sa.func.coalesce(sa.func.sum(usage.c.reserved_microusd).filter(OPEN), _ZERO),
    _count_if(Settled.OPEN),
    _count_if(Settled.ESTIMATED),
    _count_if(Settled.UNKNOWN),
    sa.func.sum(usage.c.fees_microusd),
    sa.func.sum(usage.c.web_searches),
)


class Deltas:
    """What one transaction changes. Rows come as tuples of `MOVED`."""

    def __init__(self) -> None:
        self.moves = 0  # rows written plus rows closed; in a ledger this only ever grows
        self._sums: dict[tuple[Any, ...], Sequence[int]] = {}

    def written(self, row: Row) -> None:
        """A row is new, open or closed."""
        sums = _measures(row)
        self.moves += _OPENED - sums[9]
        self._add((quarter_of(row[0]), *row[1:6]), sums)

    def closed(self, row: Sequence[Any]) -> None:
        """An open row was closed; `row` is as it is now, with the reservation it had."""
        _, _, *tokens, cost, _, _, estimated, unknown, fees, searches = _measures(row)
        self.moves += 1
        sums = (0, 0, *tokens, cost, -row[14], -1, estimated, unknown, fees, searches)
        self._add((quarter_of(row[0]), *row[1:6]), sums)

    def group(self, start_ms: int, words: Sequence[str], *, sums: Sequence[int]) -> None:
        """Many rows of one quarter at once."""
        self._add((start_ms, *words), sums)

    def write(self, connection: sqlite3.Connection) -> None:
        """Add them to what is stored, and begin anew."""
        if not self._sums:
            return
        rows = [(*key, *sums) for key, sums in self.told().items()]
        # The statement always takes the same number of rows: one that adds nothing fills it up.
        rows += [(*rows[-1][:4], *_NOTHING)] * (-len(rows) % ROWS_AT_ONCE)
        for at in range(0, len(rows), ROWS_AT_ONCE):
            values = chain.from_iterable(rows[at : at + ROWS_AT_ONCE])
            connection.execute(UPSERT, tuple(values))
        self.forget()

    def forget(self) -> None:
        """They were written, or rolled back."""
        self._sums.clear()
        self.moves = 0

    def told(self) -> dict[Key, Sequence[int]]:
        """For every row of the table, what is to be added to it."""
        found: dict[Key, Sequence[int]] = {}

        def more(key: Key, sums: Sequence[int]) -> None:
            before = found.get(key)
            found[key] = sums if before is None else tuple(map(add, before, sums))

        for (start_ms, *words), sums in self._sums.items():
            more(("hour_total", start_ms - start_ms % HOUR_MS, "", ""), sums)
            for grain, begin in (("quarter", start_ms), ("day", day_of(start_ms))):
                more((f"{grain}_total", begin, "", ""), sums)
                for dimension, word in zip(DIMENSIONS, words, strict=True):
                    more((grain, begin, dimension, word), sums)
        return found

    def _add(self, key: tuple[Any, ...], sums: Sequence[int]) -> None:
        before = self._sums.get(key)
        self._sums[key] = sums if before is None else tuple(map(add, before, sums))


def _measures(row: Sequence[Any]) -> Sequence[int]:
    """One row's own sums; `MOVED` says where they are."""
    requests, fresh, read, write, write_1h, out, thought, cost, held, state, *paid = row[6:]
    is_open = state == "open"
    return (
        1,
        requests,
        fresh,
        read,
        write + write_1h,
        out,
        thought,
        cost,
        held if is_open else 0,
        int(is_open),
        int(state == "estimated"),
        int(state == "unknown"),
        *paid,
    )


def moves(connection: sqlite3.Connection) -> int:
    """Rows written plus rows closed since the ledger began."""
    sql = "SELECT sum(2 * attempts - open_attempts) FROM rollups WHERE grain = 'day_total'"
    return int(connection.execute(sql).fetchone()[0] or 0)


def _from_rows() -> str:
    quarter = usage.c.created_ms - usage.c.created_ms % sa.literal_column(str(QUARTER_MS))
    groups = (quarter.label("quarter"), *(usage.c[name] for name in DIMENSIONS))
    statement = (
        sa.select(*groups, *ROW_SUMS)
        .where(usage.c.created_ms >= sa.bindparam("since"))
        .where(usage.c.created_ms < sa.bindparam("until"))
        .group_by(*groups)
    )
    return str(statement.compile(dialect=_DIALECT))


_FROM_ROWS: Final = _from_rows()
_STORED: Final = (
    f"SELECT {', '.join(_COLUMNS)} FROM rollups"  # noqa: S608 - names of ours
    " WHERE grain = ? AND start_ms >= ? AND start_ms < ?"
)
GRAINS: Final = ("day", "day_total", "hour_total", "quarter", "quarter_total")


def expected(connection: sqlite3.Connection, span: Span) -> dict[Key, Sequence[int]]:
    """What the sums of whole days must be, by their rows."""
    deltas = Deltas()
    for start_ms, *rest in connection.execute(_FROM_ROWS, span):
        deltas.group(start_ms, rest[:_WORDS], sums=tuple(rest[_WORDS:]))
    return deltas.told()


def stored(connection: sqlite3.Connection, span: Span) -> dict[Key, Sequence[int]]:
    """What the sums of whole days are. A row that has come to nothing is as good as none."""
    rows = chain.from_iterable(connection.execute(_STORED, (grain, *span)) for grain in GRAINS)
    return {row[:4]: row[4:] for row in rows if any(row[4:])}


def differing(connection: sqlite3.Connection, days: Iterable[int]) -> list[int]:
    """Those of the days (their beginnings) whose sums are not those of their rows."""
    return [
        day
        for day in days
        if expected(connection, (day, day + DAY_MS)) != stored(connection, (day, day + DAY_MS))
    ]


def days_of_rows(connection: sqlite3.Connection, since_ms: int = 0) -> list[int]:
    """The beginning of every day that has rows or sums, the newest first, none before `since_ms`.

    Skips from day to day through the index, so that it is quick however many rows there are.
    """
    found = {
        start_ms
        for (start_ms,) in connection.execute(
            "SELECT start_ms FROM rollups WHERE grain = 'day_total' AND start_ms >= ?",
            (day_of(since_ms),),
        )
    }
    next_row = "SELECT min(created_ms) FROM usage WHERE created_ms >= ?"
    at = since_ms
    while (first := connection.execute(next_row, (at,)).fetchone()[0]) is not None:
        found.add(day_of(first))
        at = day_of(first) + DAY_MS
    return sorted(found, reverse=True)


def rebuild(connection: sqlite3.Connection, days: Iterable[int]) -> None:
    """Put the sums of the rows in place of what is stored for these days."""
    for day in days:
        span = (day, day + DAY_MS)
        for grain in GRAINS:
            connection.execute(
                "DELETE FROM rollups WHERE grain = ? AND start_ms >= ? AND start_ms < ?",
                (grain, *span),
            )
        deltas = Deltas()
        for start_ms, *rest in connection.execute(_FROM_ROWS, span):
            deltas.group(start_ms, rest[:_WORDS], sums=tuple(rest[_WORDS:]))
        deltas.write(connection)


def fill_rollups(connection: sqlite3.Connection) -> None:
    """Make the sums of a ledger that has rows and no sums yet: one of an older program."""
    if not connection.execute("SELECT 1 FROM rollups LIMIT 1").fetchone():
        rebuild(connection, days_of_rows(connection))
