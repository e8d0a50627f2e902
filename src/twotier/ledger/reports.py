"""Reading the book: sums, budgets, the last rows. Never writes.

Every question opens a read-only connection of its own and closes it, because a reader that stays
keeps the WAL from shrinking. All of it blocks; the book calls it in a thread. Works on the file
alone, so the command line may use it while nothing runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from twotier.domain.alert import Condition
from twotier.domain.money import Budget, BudgetState, Outcome, Settled
from twotier.errors import LedgerError, UsageError
from twotier.ledger.batches import KnownBatch, batch_rows
from twotier.ledger.budget import period
from twotier.ledger.crossings import crossings
from twotier.ledger.findings import ProbeRow, SpeedRow, probe_rows, speed_rows
from twotier.ledger.forecast import History, forecast, history_since
from twotier.ledger.incidents import Unfinished, unfinished
from twotier.ledger.outside import outside_microusd
from twotier.ledger.own_time import last_paid_ms
from twotier.ledger.rows import (
    FIRST_PAID,
    milliseconds,
    moment,
)
from twotier.ledger.schema import usage
from twotier.ledger.scoped import by_hour, spent_and_held
from twotier.ledger.served import Look, Served, looked, served
from twotier.ledger.spans import quarter_of
from twotier.ledger.spending import SPEND_BY, SpendRow, spend_by
from twotier.ledger.store import reading_engine

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RecentRow:
    """One attempt as people look at it. `model_served` is empty where the upstream did not say."""

    attempt_id: str
    request_id: str
    created: datetime
    tier: str
    model_asked: str
    model: str
    model_served: str
    rule: str
    kind: str
    client: str
    job: str
    run: str
    prompt_tokens: int
    output_tokens: int
    cost_microusd: int
    reserved_microusd: int
    settled: Settled
    outcome: Outcome
    error: str
    first_token_ms: int | None
    total_ms: int


@dataclass(frozen=True, slots=True)
class RepairRow:
    """What became of the tool calls that one model wrote as text: how many of each kind."""

    tier: str
    model: str
    kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a budget stands at `now`, which is the ledger's own time, and how it came there."""

    state: BudgetState
    now: datetime
    history: History

    @property
    def forecast_microusd(self) -> int | None:
        """What will be spent by the end of its period; None while too little has been seen."""
        return forecast(self.state, self.now, history=self.history)

    @property
    def crossings(self) -> list[Condition]:
        """What a person should hear of it, all that holds now, the mildest first."""
        return crossings([self.state], now=self.now, history={self.state.budget: self.history})


class Reports:
    """Questions to one ledger file. Every method raises `LedgerError` if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = reading_engine(path)

    def spend(
        self, *, by: str, since: datetime, until: datetime, zone: str = "UTC"
    ) -> list[SpendRow]:
        """Sums from `since` up to, not including, `until`; the dearest first, days in order.

        `zone` says where days begin. Raises `UsageError` for an unknown `by` or zone.
        """
        if by not in SPEND_BY:
            known = ", ".join(SPEND_BY)
            raise UsageError(f"spend cannot be grouped by {by!r}; use one of {known}")
        span, place = (milliseconds(since), milliseconds(until)), _zone(zone)
        with self._reading() as connection:
            return spend_by(connection, by, span=span, zone=place)

    def served(
        self, since: datetime, until: datetime, *, local: frozenset[str], looks: Sequence[Look]
    ) -> Served:
        """What was done in the span, and what those looks would have been, in the order of time."""
        span = (milliseconds(since), milliseconds(until))
        with self._reading() as connection:
            found = served(connection, span, local=local)
            would = looked(connection, looks, until=until)
            done = sorted([*found.done, *would], key=lambda one: one.at)
        return Served(done, found.besides_microusd)

    def budgets(self, budgets: Sequence[Budget], now: datetime) -> list[BudgetState]:
        """Each budget's current period and what is spent and reserved in it."""
        with self._reading() as connection:
            now = ledger_time(connection, now)
            return [_state(connection, budget, now=now) for budget in budgets]

    def outlooks(self, budgets: Sequence[Budget], now: datetime) -> list[Outlook]:
        """The same, and what the work of each has cost by the hour until now."""
        with self._reading() as connection:
            now = ledger_time(connection, now)
            first_ms = connection.exec_driver_sql(FIRST_PAID).scalar()
            since = None if first_ms is None else moment(first_ms)
            span = (quarter_of(milliseconds(history_since(now))), milliseconds(now) + 1)
            return [
                Outlook(
                    _state(connection, budget, now=now),
                    now,
                    History(since, by_hour(connection, budget.scope, span=span)),
                )
                for budget in budgets
            ]

    def clients(self, since: datetime) -> dict[str, datetime]:
        """When each client's last attempt began, of those since then."""
        statement = (
            sa.select(usage.c.client, sa.func.max(usage.c.created_ms))
            .where(usage.c.created_ms >= milliseconds(since))
            .group_by(usage.c.client)
        )
        with self._reading() as connection:
            return {
                client: _EPOCH + timedelta(milliseconds=last)
                for client, last in connection.execute(statement)
            }

    def repairs(self, since: datetime) -> list[RepairRow]:
        """Of each model whose calls were mended since then, or could not be."""
        statement = (
            sa.select(usage.c.tier, usage.c.provider + "/" + usage.c.model, usage.c.repairs)
            .where(usage.c.repairs != sa.literal_column("''"))
            .where(usage.c.created_ms >= milliseconds(since))
        )
        found: dict[tuple[str, str], Counter[str]] = {}
        with self._reading() as connection:
            for tier, model, kinds in connection.execute(statement):
                found.setdefault((tier, model), Counter()).update(kinds.split())
        return [RepairRow(*key, kinds) for key, kinds in sorted(found.items())]

    def recent(self, limit: int) -> list[RecentRow]:
        """The last attempts, the newest first."""
        statement = sa.select(usage).order_by(usage.c.created_ms.desc()).limit(limit)
        with self._reading() as connection:
            return [_recent(row) for row in connection.execute(statement).mappings()]

    def speeds(self) -> list[SpeedRow]:
        """What was learned of every model."""
        with self._reading() as connection:
            return speed_rows(connection)

    def probes(self) -> list[ProbeRow]:
        """The last probe of each model and version."""
        with self._reading() as connection:
            return probe_rows(connection)

    def unfinished(self) -> Unfinished:
        """Open incidents, and messages on their way."""
        with self._reading() as connection:
            return unfinished(connection)

    def read(self, question: Callable[[sa.Connection], T]) -> T:
        """Whatever else is asked, of one moment."""
        with self._reading() as connection:
            return question(connection)

    def batches(self) -> list[KnownBatch]:
        """What waits in a batch, and what came of those that ended."""
        with self._reading() as connection:
            return batch_rows(connection)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")  # all that is read is of one moment
                yield connection
        except sa.exc.DBAPIError as exc:
            raise LedgerError(
                f"the ledger {self._path} cannot be read ({exc.orig}); see `twotier doctor`"
            ) from exc


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise UsageError(
            f"the zone {name!r} is unknown; use an IANA name like America/Los_Angeles"
        ) from exc


def ledger_time(connection: sa.Connection, now: datetime) -> datetime:
    """The ledger's own time never goes back: it is not before its last paid row."""
    last_ms = last_paid_ms(lambda *ask: connection.exec_driver_sql(*ask).first())
    return max(now, moment(last_ms))


def _state(connection: sa.Connection, budget: Budget, *, now: datetime) -> BudgetState:
    start, end = period(budget, now)
    span = (milliseconds(start), milliseconds(end))
    spent, reserved = spent_and_held(connection, budget.scope, span=span)
    outside = 0 if any(budget.scope) else outside_microusd(connection, span)
    return BudgetState(budget, spent, reserved, start, end, outside_microusd=outside)


def _recent(row: sa.RowMapping) -> RecentRow:
    prompt = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
    return RecentRow(
        attempt_id=row["attempt_id"],
        request_id=row["request_id"],
        created=_EPOCH + timedelta(milliseconds=row["created_ms"]),
        tier=row["tier"],
        model_asked=row["model_asked"],
        model=row["model"],
        model_served=row["model_served"],
        rule=row["rule"],
        kind=row["kind"],
        client=row["client"],
        job=row["job"],
        run=row["run"],
        prompt_tokens=sum(row[name] for name in prompt),
        output_tokens=row["output_tokens"],
        cost_microusd=row["cost_microusd"],
        reserved_microusd=row["reserved_microusd"],
        settled=Settled(row["settled"]),
        outcome=Outcome(row["outcome"]),
        error=row["error"],
        first_token_ms=row["first_token_ms"],
        total_ms=row["total_ms"],
    )
