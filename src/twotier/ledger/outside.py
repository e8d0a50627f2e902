"""What did not come through twotier, as rows: answers in other programs' logs, providers' bills.

Written behind: a row that is lost is read again. Of a log only ids, names of models, counts and
times have a column. Money in a log has its instant; what only a provider's sum of a day of UTC
knows counts where the noon of that day lies, which is the same date in every zone of today but the
easternmost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from twotier.domain.bill import WEB_SEARCH, BillRow
from twotier.ledger.findings import keep_sql
from twotier.ledger.rows import NUMBER_MAX
from twotier.ledger.schema import bill_days, bill_rows, outside_files, outside_rows, usage
from twotier.ledger.spans import DAY_MS, Span

OURS = "ours"
IDS_AT_ONCE = 400
PENDING_MAX = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIALECT = sqlite.dialect(paramstyle="qmark")


class FileRow(msgspec.Struct, frozen=True):
    """How far a log was read."""

    key: str
    device: int
    inode: int
    offset: int
    updated_ms: int


class OutsideRow(msgspec.Struct, frozen=True):
    """One answer of a log. `through` is what it is in `usage`, empty where it is not there."""

    source: str
    id: str
    request_id: str
    at_ms: int
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    web_searches: int
    cost_microusd: int
    priced: int
    through: str = ""


class BillDay(msgspec.Struct, frozen=True):
    """What of a provider's day neither the ledger nor a log knows."""

    provider: str
    day: str
    noon_ms: int
    excess_microusd: int


class Outside(msgspec.Struct, frozen=True):
    """Rows that are written together. The rows of each day in `billed` take the place of all that
    was said of it before, by provider, kind and day. What is older than `forget_before_ms` goes.
    """

    rows: tuple[OutsideRow, ...] = ()
    files: tuple[FileRow, ...] = ()
    bills: tuple[BillRow, ...] = ()
    billed: tuple[tuple[str, str, str], ...] = ()
    days: tuple[BillDay, ...] = ()
    forget_before_ms: int = 0

    def write(self, connection: sqlite3.Connection) -> None:
        """Inside the transaction."""
        connection.executemany(_ROW, map(msgspec.structs.astuple, self.rows))
        connection.executemany(_FILE, map(msgspec.structs.astuple, self.files))
        connection.executemany(_FORGET_BILL, self.billed)
        connection.executemany(_BILL, map(msgspec.structs.astuple, self.bills))
        connection.executemany(_DAY, map(msgspec.structs.astuple, self.days))
        if self.forget_before_ms:
            connection.execute(_FORGET_ROWS, (self.forget_before_ms,))


def _row_sql() -> str:
    """An answer grows while it is written, and what is once known to be ours stays so."""
    names = OutsideRow.__struct_fields__
    made = sqlite.insert(outside_rows).values({name: sa.bindparam(name) for name in names})
    changed = {name: made.excluded[name] for name in names if name not in ("source", "id")}
    known = sa.func.max(made.excluded.through, outside_rows.c.through)
    compiled = made.on_conflict_do_update(
        index_elements=["source", "id"],
        set_=changed | {"through": known},
        where=made.excluded.output_tokens >= outside_rows.c.output_tokens,
    ).compile(dialect=_DIALECT)
    if tuple(compiled.positiontup or ()) != names:
        raise AssertionError(f"the tuples do not fit the statement: {compiled}")
    return str(compiled)


_ROW = _row_sql()
_FILE = keep_sql(outside_files, FileRow)
_BILL = keep_sql(bill_rows, BillRow)
_DAY = keep_sql(bill_days, BillDay)
_FORGET_BILL = "DELETE FROM bill_rows WHERE provider = ? AND kind = ? AND day = ?"
_FORGET_ROWS = "DELETE FROM outside_rows WHERE at_ms < ?"


class Found(NamedTuple):
    """What logs tell of a span: by program, and how many answers have no known price."""

    source: str
    cost_microusd: int
    answers: int
    unpriced: int


def found(connection: sa.Connection, span: Span) -> list[Found]:
    """What did not come through us, by the program that logged it."""
    rows = outside_rows.c
    unpriced = sa.func.sum(1 - rows.priced)
    statement = (
        sa.select(rows.source, sa.func.sum(rows.cost_microusd), sa.func.count(), unpriced)
        .where(_past(span))
        .group_by(rows.source)
        .order_by(rows.source)
    )
    return [Found(*row) for row in connection.execute(statement)]


def unpriced_models(connection: sa.Connection, span: Span) -> list[str]:
    """The models of those answers that have no known price, as provider/model."""
    rows = outside_rows.c
    name = rows.provider + "/" + rows.model
    statement = sa.select(name).where(_past(span), rows.priced == 0).distinct().order_by(name)
    return list(connection.scalars(statement))


def excess_microusd(connection: sa.Connection, span: Span) -> int:
    """What only the providers' sums know."""
    statement = sa.select(sa.func.sum(bill_days.c.excess_microusd)).where(
        bill_days.c.noon_ms >= span[0], bill_days.c.noon_ms < span[1]
    )
    return connection.scalar(statement) or 0


def outside_microusd(connection: sa.Connection, span: Span) -> int:
    """All that did not come through us."""
    logged = connection.scalar(
        sa.select(sa.func.sum(outside_rows.c.cost_microusd)).where(_past(span))
    )
    return (logged or 0) + excess_microusd(connection, span)


def _past(span: Span) -> sa.ColumnElement[bool]:
    rows = outside_rows.c
    return sa.and_(
        rows.through == sa.literal_column("''"), rows.at_ms >= span[0], rows.at_ms < span[1]
    )


def cursors(connection: sa.Connection) -> list[FileRow]:
    """How far every log was read."""
    return [FileRow(**row) for row in connection.execute(sa.select(outside_files)).mappings()]


def pending(connection: sa.Connection, since_ms: int) -> list[OutsideRow]:
    """Answers since then that are not known to be ours, the last of them: the ledger may have been
    behind.
    """
    last = outside_rows.c.at_ms.desc()
    statement = sa.select(outside_rows).where(_past((since_ms, NUMBER_MAX)))
    statement = statement.order_by(last).limit(PENDING_MAX)
    return [OutsideRow(**row) for row in connection.execute(statement).mappings()]


def known_requests(connection: sa.Connection, request_ids: Iterable[str]) -> set[str]:
    """Those that we have answered. An attempt's id begins with its request's and a dash."""
    wanted = sorted(set(request_ids))
    known: set[str] = set()
    for begin in range(0, len(wanted), IDS_AT_ONCE):
        some = [(one,) for one in wanted[begin : begin + IDS_AT_ONCE]]
        ids = sa.values(sa.column("id", sa.Text), name="ids").data(some).cte("ids")
        attempt = usage.c.attempt_id
        tried = sa.exists().where(attempt >= ids.c.id + "-", attempt < ids.c.id + ".")
        known.update(connection.scalars(sa.select(ids.c.id).where(tried)))
    return known


def attempts_like(
    connection: sa.Connection, span: Span, *, prompt_tokens: int, output_tokens: int
) -> list[tuple[str, int, int]]:
    """Attempts that began in a span and used so many tokens: id, beginning and end."""
    row = usage.c
    prompt = (
        row.input_tokens
        + row.cache_read_tokens
        + row.cache_write_tokens
        + row.cache_write_1h_tokens
    )
    statement = (
        sa.select(row.attempt_id, row.created_ms, row.created_ms + row.total_ms)
        .where(row.created_ms >= span[0], row.created_ms < span[1])
        .where(row.output_tokens == output_tokens, prompt == prompt_tokens)
        .order_by(row.created_ms)
    )
    return [(str(id_), began, ended) for id_, began, ended in connection.execute(statement)]


def taken(connection: sa.Connection, span: Span) -> set[str]:
    """What of ours stands for an answer of a log of that span already."""
    rows = outside_rows.c
    statement = sa.select(rows.through).where(
        rows.through != "", rows.at_ms >= span[0], rows.at_ms < span[1]
    )
    return set(connection.scalars(statement))


def bills(connection: sa.Connection, provider: str, *, days: Sequence[str]) -> list[BillRow]:
    """What the provider said of these days."""
    statement = sa.select(bill_rows).where(
        bill_rows.c.provider == provider, bill_rows.c.day.in_(days)
    )
    return [BillRow(**row) for row in connection.execute(statement).mappings()]


def ours(connection: sa.Connection, provider: str, *, days: Sequence[str]) -> list[BillRow]:
    """What the ledger has of a provider, by day of UTC and model; searches and other fees apart."""
    row = usage.c
    statement = (
        sa.select(
            row.model,
            *(sa.func.sum(row[name]) for name in _COUNTED),
            sa.func.sum(row.cost_microusd),
            sa.func.sum(row.fees_microusd),
        )
        .where(row.provider == provider, row.cost_microusd > 0)
        .group_by(row.model)
    )
    made: list[BillRow] = []
    for day in days:
        began = day_ms(day)
        within = statement.where(row.created_ms >= began, row.created_ms < began + DAY_MS)
        for model, *counts, searches, cost, fees in connection.execute(within):
            counted = (*counts, 0, cost - fees)
            made.append(BillRow(provider, OURS, day, model, "", *counted))
            if fees or searches:
                counted = (0, 0, 0, 0, 0, searches, fees)
                made.append(BillRow(provider, OURS, day, WEB_SEARCH, "", *counted))
    return made


_COUNTED = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "web_searches",
)


def logged(connection: sa.Connection, provider: str, *, days: Sequence[str]) -> Mapping[str, int]:
    """What logs have of a provider that did not come through us, in micro-dollars by day of UTC."""
    said: dict[str, int] = {}
    for day in days:
        span = (day_ms(day), day_ms(day) + DAY_MS)
        statement = sa.select(sa.func.sum(outside_rows.c.cost_microusd)).where(
            _past(span), outside_rows.c.provider == provider
        )
        if amount := connection.scalar(statement):
            said[day] = amount
    return said


def day_ms(day: str) -> int:
    """When a day of UTC begins."""
    return (datetime.fromisoformat(day).replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
