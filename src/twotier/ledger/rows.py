"""Nouns to rows: the writer's statements and the tuples that fill them.

The statements are SQLAlchemy Core, compiled once; the writer hands the SQL and plain tuples to
the driver, because building a statement per row would cost more than writing it. `USAGE_COLUMNS`
is the order of every usage tuple, and `usage_row` with a place behind it must follow it; a test
writes and reads back every field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache
from operator import itemgetter
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from twotier.domain.decision import Decision
from twotier.domain.known import NOTHING, Known
from twotier.domain.money import Attempt, Price, Scope, Settled, Settlement, work_of
from twotier.domain.task import Task
from twotier.ledger.kept import kept
from twotier.ledger.rollups import MOVED
from twotier.ledger.schema import batches, decisions, usage

ROWS_AT_ONCE = 20
HOUR_MS = 3_600_000
HEADER_CHARACTERS_MAX = 256  # of what a rule matches
NUMBER_MAX = 10**15  # sums of thousands of these still fit the 64 bits of a column
Row = tuple[Any, ...]

_DIALECT = sqlite.dialect(paramstyle="qmark")
# What a settlement changes, in the order of `settle_row`; the attempt's id comes last.
_SETTLED_COLUMNS = (
    "model_served",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "cost_microusd",
    "settled",
    "outcome",
    "error",
    "upstream_status",
    "first_token_ms",
    "total_ms",
    "repairs",
    "price_applied",
    "fees_microusd",
    "web_searches",
)
# Most rows are free, and say nothing in these.
_PAID_COLUMNS = ("price_terms", "price_applied", "fees_microusd", "web_searches")
# The columns of a `Scope`, in its order.
_SCOPE: Final[dict[str, sa.Column[Any]]] = {
    "client": usage.c.client,
    "job": usage.c.job,
    "tier": usage.c.tier,
    "model": usage.c.model,
    "work": usage.c.background,
}
# Where a row stands in the book: not of the attempt, so the book adds them itself, at the end.
_PLACED = ("requests", "owner", "lease_ms")
_COMMON = tuple(one.name for one in usage.c if one.name not in _PAID_COLUMNS + _PLACED)
USAGE_COLUMNS: Final = (*_COMMON, *_PAID_COLUMNS, *_PLACED)
FREE_COLUMNS: Final = (*_COMMON, *_PLACED)
DECISION_COLUMNS: Final = tuple(column.name for column in decisions.c if column.name != "id")


# What the rollups want of either tuple; a free row has no fees and no searches.
moved_paid: Final = itemgetter(*(USAGE_COLUMNS.index(name) for name in MOVED))
_moved_free = itemgetter(*(FREE_COLUMNS.index(n) for n in MOVED if n not in _PAID_COLUMNS))


class Insert:
    """SQL that inserts tuples in this order; `repeat`: the same key again is not an error.

    The driver lets go of the interpreter for each statement and then has to get it back from a
    loop that is busy, which costs more than the row. So many rows are one statement.
    """

    def __init__(self, table: sa.Table, columns: tuple[str, ...], *, repeat: bool) -> None:
        self._table = table
        self._columns = columns
        self._repeat = repeat
        self.one = self._compiled(1)

    @cached_property
    def many(self) -> str:
        """For `ROWS_AT_ONCE` rows, their values one after another."""
        return self._compiled(ROWS_AT_ONCE)

    def _compiled(self, rows: int) -> str:
        values: list[dict[str, sa.BindParameter[Any]]] = [
            {name: sa.bindparam(f"{name}_{row}") for name in self._columns} for row in range(rows)
        ]
        statement = sqlite.insert(self._table).values(values)
        if self._repeat:
            statement = statement.on_conflict_do_nothing()
        order = (f"{name}_{row}" for row in range(rows) for name in self._columns)
        return _sql(statement, tuple(order))


def _settle() -> str:
    values: dict[str, sa.BindParameter[Any]] = {
        name: sa.bindparam(f"new_{name}") for name in _SETTLED_COLUMNS
    }
    statement = (
        sa.update(usage)
        .where(
            usage.c.attempt_id == sa.bindparam("id"), usage.c.settled == sa.literal_column(_OPEN)
        )
        .values(values)
        .returning(*(usage.c[name] for name in MOVED), usage.c.background)
    )
    return _sql(statement, (*(f"new_{name}" for name in _SETTLED_COLUMNS), "id"))


def _sql(statement: sa.sql.ClauseElement, order: tuple[str, ...]) -> str:
    compiled = statement.compile(dialect=_DIALECT)
    if not isinstance(compiled, sa.sql.compiler.SQLCompiler) or compiled.positiontup != list(order):
        raise AssertionError(f"the tuples no longer fit the statement: {compiled}")
    return str(compiled)


_OPEN = f"'{Settled.OPEN.value}'"
INSERT_RESERVED = Insert(usage, USAGE_COLUMNS, repeat=False)
INSERT_RECORDED = Insert(usage, FREE_COLUMNS, repeat=True)
INSERT_DECISION = Insert(decisions, DECISION_COLUMNS, repeat=False)
SETTLE = _settle()
# An earlier life left these open: what they cost is unknown, and their bound is charged.
# Another gateway's row is its own business as long as its lease runs, and what waits in a batch is
# settled by what that comes to.
RECOVER = _sql(
    sa.update(usage)
    .where(usage.c.settled == sa.literal_column(_OPEN))
    .where(
        sa.or_(
            usage.c.owner == sa.bindparam("mine"),
            usage.c.lease_ms < sa.bindparam("now"),
        )
    )
    .where(usage.c.attempt_id.not_in(sa.select(batches.c.attempt_id)))
    .values(
        settled=sa.literal_column(f"'{Settled.UNKNOWN.value}'"),
        outcome=sa.literal_column("'error'"),
        error=sa.literal_column("'twotier stopped before the end was seen; charged in full'"),
        cost_microusd=usage.c.reserved_microusd,
    )
    .returning(*(usage.c[name] for name in MOVED)),
    ("mine", "now"),
)
# Old rows, a few at a time, an open one never.
PRUNE_USAGE = (
    "DELETE FROM usage WHERE attempt_id IN (SELECT attempt_id FROM usage"
    " WHERE created_ms < ? AND settled <> 'open' ORDER BY created_ms LIMIT ?)"
)
PRUNE_DECISIONS = (
    "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions ORDER BY id LIMIT ?)"
    " AND created_ms < ?"
)
_PAID = sa.text("(cost_microusd > 0 OR reserved_microusd > 0)")  # names the partial indexes
_SUM = sa.select(
    sa.func.sum(usage.c.cost_microusd),
    sa.func.sum(usage.c.reserved_microusd).filter(usage.c.settled == sa.literal_column(_OPEN)),
).where(
    usage.c.created_ms >= sa.bindparam("start"),
    usage.c.created_ms < sa.bindparam("end"),
    _PAID,
)
_HOUR = usage.c.created_ms // sa.literal_column(str(HOUR_MS))
_HOURS = (
    sa.select(_HOUR, sa.func.sum(usage.c.cost_microusd))
    .where(
        usage.c.created_ms >= sa.bindparam("start"), usage.c.created_ms < sa.bindparam("end"), _PAID
    )
    .group_by(_HOUR)
)
FIRST_PAID = str(sa.select(sa.func.min(usage.c.created_ms)).where(_PAID).compile(dialect=_DIALECT))


class Recorded(msgspec.Struct, frozen=True):
    """A finished attempt of a free tier, on its way to the book."""

    attempt: Attempt
    settlement: Settlement
    created_ms: int

    def row(self) -> Row:
        """The tuple for `INSERT_RECORDED`, without its place."""
        return usage_row(self.attempt, self.settlement, created_ms=self.created_ms)


class Decided(msgspec.Struct, frozen=True):
    """A decision on its way to the book. `headers`: the names of those that rules look at."""

    request_id: str
    task: Task
    decision: Decision
    created_ms: int
    known: Known = NOTHING
    run: str = ""
    headers: frozenset[str] = frozenset()

    def row(self) -> Row:
        """The tuple for `INSERT_DECISION`."""
        decision = self.decision
        return (
            self.request_id,
            self.created_ms,
            _json(decision.options),
            decision.rule,
            _json(decision.because),
            _json(_numbers(self.task) | _headers(self.task, self.headers)),
            decision.refusal,
            decision.refusal_code,
            kept(self.known),
            self.run if decision.restricted else "",
        )


def sum_paid(scope: Scope, span: tuple[int, int]) -> tuple[str, Row]:
    """The statement and its values for what work of this scope spent and holds."""
    wanted = _wanted(scope)
    return _sum_of(tuple(wanted)), (*span, *wanted.values())


def hours_paid(scope: Scope, span: tuple[int, int]) -> tuple[str, Row]:
    """The same for what it cost in each hour since 1970."""
    wanted = _wanted(scope)
    return _hours_of(tuple(wanted)), (*span, *wanted.values())


def scope_row(values: Iterable[Any]) -> Scope:
    """The scope of a row, from the columns of a scope in their order."""
    client, job, tier, model, background = values
    return Scope(client, job, tier, model, work_of(background=bool(background)))


def _wanted(scope: Scope) -> dict[str, str | bool]:
    """The columns that count, and their values."""
    wanted: dict[str, str | bool] = {name: one for name, one in scope._asdict().items() if one}
    if "work" in wanted:
        wanted["work"] = scope.work == work_of(background=True)
    return wanted


@cache
def _sum_of(names: tuple[str, ...]) -> str:
    return _sql(_scoped(_SUM, names), ("start", "end", *names))


@cache
def _hours_of(names: tuple[str, ...]) -> str:
    return _sql(_scoped(_HOURS, names), ("start", "end", *names))


def _scoped(select: Any, names: tuple[str, ...]) -> sa.ClauseElement:
    scoped: sa.ClauseElement = select.where(*(_SCOPE[name] == sa.bindparam(name) for name in names))
    return scoped


def moved_free(row: Row) -> Row:
    """`MOVED` of a recorded row."""
    return (*_moved_free(row), 0, 0)


def milliseconds(moment: datetime) -> int:
    """Since 1970 in UTC; the moment must be aware."""
    return int(moment.timestamp() * 1000)


def reserved_row(attempt: Attempt, settlement: Settlement, *, created_ms: int) -> Row:
    """The tuple for `INSERT_RESERVED`, without the row's place: `requests`, `owner`, `lease_ms`."""
    paid = (price_terms(attempt.price), *_applied(settlement))
    return (*usage_row(attempt, settlement, created_ms=created_ms), *paid)


def moment(ms: int) -> datetime:
    """The same again, aware, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def usage_row(attempt: Attempt, settlement: Settlement, *, created_ms: int) -> Row:
    """The tuple for `INSERT_RECORDED`, without the row's place, which comes behind it."""
    price, used = attempt.price, settlement.usage
    return (
        attempt.id,
        attempt.request_id,
        created_ms,
        attempt.tier,
        attempt.provider,
        attempt.model_asked,
        attempt.model,
        settlement.model_served,
        attempt.rule,
        attempt.kind,
        attempt.client,
        attempt.job,
        attempt.run,
        attempt.step,
        attempt.background,
        used.input_tokens,
        used.output_tokens,
        used.cache_read_tokens,
        used.cache_write_tokens,
        used.cache_write_1h_tokens,
        used.reasoning_tokens,
        attempt.reserved_microusd,
        settlement.cost_microusd,
        settlement.settled.value,
        settlement.outcome.value,
        settlement.error,
        settlement.upstream_status,
        _first_token_ms(settlement),
        round(settlement.total_seconds * 1000),
        price.input_microusd_per_mtok,
        price.output_microusd_per_mtok,
        price.cache_read_microusd_per_mtok,
        price.cache_write_microusd_per_mtok,
        price.cache_write_1h_microusd_per_mtok,
        price.since,
        price.source,
        " ".join(settlement.repairs),
    )


def settle_row(attempt_id: str, settlement: Settlement) -> Row:
    """The tuple for `SETTLE`."""
    used = settlement.usage
    return (
        settlement.model_served,
        used.input_tokens,
        used.output_tokens,
        used.cache_read_tokens,
        used.cache_write_tokens,
        used.cache_write_1h_tokens,
        used.reasoning_tokens,
        settlement.cost_microusd,
        settlement.settled.value,
        settlement.outcome.value,
        settlement.error,
        settlement.upstream_status,
        _first_token_ms(settlement),
        round(settlement.total_seconds * 1000),
        " ".join(settlement.repairs),
        *_applied(settlement),
        attempt_id,
    )


@lru_cache(maxsize=256)
def price_terms(price: Price) -> str:
    """What a price says beside its five rates, as JSON; empty where they say all."""
    if price.plain:
        return ""
    terms = {"steps": price.steps, "modes": price.modes, "fees": price.fees, "places": price.places}
    return _json({name: term for name, term in terms.items() if term})


def _applied(settlement: Settlement) -> tuple[str, int, int]:
    """Which of the price's terms held, what of the cost were fees, and how many web searches."""
    used = settlement.usage
    terms = {
        "above_tokens": settlement.above_tokens,
        "mode": used.mode,
        "place": used.place,
        "uses": dict(used.uses),
    }
    said = {name: term for name, term in terms.items() if term}
    applied = _json(said) if said else ""
    return applied, settlement.fees_microusd, dict(used.uses).get("web_search", 0)


def storable(row: Row) -> Row:
    """The row with what no database takes made harmless: half a surrogate pair, a 70-bit count.

    Both can come from outside (a model name in a body, a broken upstream's usage), and one such
    row must not keep the others of its batch from being written.
    """
    return tuple(_storable(value) for value in row)


def _storable(value: object) -> object:
    if isinstance(value, int):
        return max(-NUMBER_MAX, min(NUMBER_MAX, value))
    if value is None:
        return None
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _first_token_ms(settlement: Settlement) -> int | None:
    seconds = settlement.first_token_seconds
    return None if seconds is None else round(seconds * 1000)


def _numbers(task: Task) -> dict[str, object]:
    """What a decision was made on. `kind_because` stays out: it may quote the prompt."""
    return {
        "dialect": task.dialect,
        "prompt_tokens": task.prompt_tokens,
        "prompt_tokens_max": task.prompt_tokens_max,
        "output_tokens": task.output_tokens,
        "output_tokens_asked": task.output_tokens_asked,
        "tools": task.tools,
        "images": task.images,
        "kind": task.kind,
        "kind_from": task.kind_from,
        "client": task.client,
        "probe": task.probe,
        "policy": task.policy.value,
        "model_asked": task.model_asked,
        "job": task.job,
        "background": task.background,
        "deadline_seconds": task.deadline_seconds,
        "work": task.work,
    }


def _headers(task: Task, names: frozenset[str]) -> dict[str, object]:
    """What a request said where rules look, None where it said nothing; so that a replay can tell
    that from a header that nobody looked at. What is too long is not kept.
    """
    if not names:
        return {}
    said = {name: task.headers.get(name) for name in sorted(names)}
    return {"headers": {k: v for k, v in said.items() if len(v or "") <= HEADER_CHARACTERS_MAX}}


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair from outside: the slow way escapes it
        return json.dumps(msgspec.to_builtins(value))
