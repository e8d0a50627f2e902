"""What is written inside one transaction of the book: reservations, settlements, rows.

Runs on the writer's thread only. It neither begins nor commits: the writer does, once for many
entries. The sums that budgets need are read from the file once per period and then kept up to
date entry by entry. They are forgotten and read again after a rollback, and when the file says,
inside the transaction that is about to decide, that another process has written to it.

The ledger's time never goes back: what is reserved is dated by the clock or as the last paid row,
whichever is later. So no step of the clock opens a day again that was closed: behind the last row
all counts in that row's period, until the clock has caught up.

What a transaction adds to the rollups is gathered and written at its end, by `seal`.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain

from twotier.domain.money import (
    Attempt,
    Budget,
    BudgetState,
    Outcome,
    Scope,
    Settled,
    Settlement,
    scope_of,
)
from twotier.errors import BudgetError, LedgerError
from twotier.ledger.batches import Batched
from twotier.ledger.budget import judge, period, reached
from twotier.ledger.findings import Found
from twotier.ledger.incidents import Alerted
from twotier.ledger.judgements import Forgotten, Judged
from twotier.ledger.meta import HELD, ROWS_FROM, get, put
from twotier.ledger.outside import Outside
from twotier.ledger.own_time import SET_WRONG_CLOCK, last_paid_ms
from twotier.ledger.rollups import Deltas, moves
from twotier.ledger.rows import (
    INSERT_DECISION,
    INSERT_RECORDED,
    INSERT_RESERVED,
    PRUNE_DECISIONS,
    PRUNE_USAGE,
    RECOVER,
    ROWS_AT_ONCE,
    SETTLE,
    Decided,
    Insert,
    Recorded,
    Row,
    milliseconds,
    moment,
    moved_free,
    moved_paid,
    reserved_row,
    scope_row,
    settle_row,
    storable,
    sum_paid,
)

# A tuple the driver cannot bind. Everything else it raises is about the file.
UNSTORABLE = (ValueError, OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
Behind = Recorded | Decided | Found | Alerted | Outside | Batched | Judged | Forgotten
Ahead = Callable[[Budget], int]
_OPEN = Settlement(Settled.OPEN, Outcome.PENDING, 0)
REQUESTS_REMEMBERED_MAX = 5_000  # a quarter of an hour of five a second; 0.6 MB
LEASE_MS = 3_600_000  # longer than any answer may take


def nobody(_: Budget) -> int:
    """What is asked of a budget by those who wait where nobody does."""
    return 0


class Entries:
    """The statements of one connection, and the sums of the periods that budgets look at."""

    def __init__(self, connection: sqlite3.Connection, *, owner: str = "") -> None:
        self._connection = connection
        # Scope, start_ms and end_ms of a period -> [spent, reserved] in micro-dollars
        self._sums: dict[tuple[Scope, int, int], list[int]] = {}
        self._periods: dict[Budget, tuple[datetime, datetime]] = {}
        self._version = -1
        self._last_ms: int | None = None
        self._owner = owner
        self._deltas = Deltas()
        self.moves = moves(connection)  # as of the last commit
        self.held = get(connection, HELD)  # why every limit counts as reached
        # Requests that have a row already, the oldest first, and those of this transaction.
        self._counted: OrderedDict[str, None] = OrderedDict()
        self._counted_now: list[str] = []
        self._sealed_moves = self.moves

    def begin(self) -> None:
        """Inside a transaction, before anything else: what others wrote counts from here on."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self.forget()
            self._version = version
            self.held = get(self._connection, HELD)

    def reserve(
        self,
        attempt: Attempt,
        *,
        budgets: Sequence[Budget],
        now: datetime,
        ahead: Ahead = nobody,
    ) -> None:
        """Insert the open row if every budget allows it. Raises `BudgetError`, `LedgerError`."""
        created_ms = max(milliseconds(now), self._last())
        self.check(budgets, attempt, now=now, ahead=ahead)
        row = reserved_row(attempt, _OPEN, created_ms=created_ms)
        row += (self._counts(attempt), self._owner, created_ms + LEASE_MS)
        try:
            self._execute(INSERT_RESERVED.one, row)
        except sqlite3.IntegrityError as exc:
            raise LedgerError(
                f"the attempt {attempt.id} is in the ledger already; "
                "every attempt needs an id of its own"
            ) from exc
        self._last_ms = created_ms
        self._moved(created_ms, scope_of(attempt), spent=0, reserved=attempt.reserved_microusd)
        self._deltas.written(moved_paid(row))

    def check(
        self,
        budgets: Sequence[Budget],
        attempt: Attempt,
        *,
        now: datetime,
        ahead: Ahead = nobody,
    ) -> None:
        """Raises `BudgetError` for the first budget that refuses this attempt. Writes nothing.

        All of the budgets are about this attempt. `ahead` tells of a budget what those ask of it
        who wait and go before.
        """
        at = moment(max(milliseconds(now), self._last()))
        states = [self._state(budget, at, ahead=ahead(budget)) for budget in budgets]
        if self.held:
            states = [reached(state) for state in states]
        verdict = judge(states, attempt.reserved_microusd, background=attempt.background)
        if not verdict.allowed:
            raise BudgetError(
                self.held or verdict.sentence, facts=verdict.facts, passing=verdict.passing
            )

    def settle(self, attempt_id: str, settlement: Settlement) -> None:
        """Close the open row; a row that is closed already stays as it is.

        Raises `LedgerError` for an attempt that was never reserved.
        """
        found = self._execute(SETTLE, settle_row(attempt_id, settlement))
        for *row, background in found:
            self._deltas.closed(row)
            whose = scope_row((row[3], row[4], row[1], row[2], background))
            self._moved(row[0], whose, spent=row[13], reserved=-row[14])
        if not found and not self._known(attempt_id):
            raise LedgerError(
                f"the attempt {attempt_id} was never reserved, so it cannot be settled; "
                "reserve first, or record a free attempt"
            )

    def write_behind(self, entries: Iterable[Behind]) -> None:
        """Write finished free attempts, decisions and findings. The same attempt again changes
        nothing.
        """
        usage: list[Row] = []
        decisions: list[Row] = []
        for entry in entries:
            if isinstance(entry, Found):
                self._connection.executemany(entry.sql, entry.tuples)
            elif isinstance(entry, Alerted | Outside | Batched | Judged | Forgotten):
                entry.write(self._connection)
            elif isinstance(entry, Decided):
                decisions.append(entry.row())
            else:
                usage.append((*entry.row(), self._counts(entry.attempt), self._owner, 0))
                if entry.settlement.cost_microusd:
                    self._sums.clear()
        for row in self._insert(INSERT_RECORDED, usage):
            self._deltas.written(moved_free(row))
        self._insert(INSERT_DECISION, decisions)

    def recover(self, *, now: datetime) -> int:
        """Charge what an earlier life left open, and say how many rows that were.

        Of another gateway's rows, only those whose lease is over. What waits in a batch stays open.
        """
        rows = self._connection.execute(RECOVER, (self._owner, milliseconds(now))).fetchall()
        for row in rows:
            self._deltas.closed(row)
        self._sums.clear()
        return len(rows)

    def hold(self, because: str) -> None:
        """From here on every limit counts as reached, for this reason; empty: no longer."""
        put(self._connection, HELD, value=because)
        self.held = because

    def prune(self, before_ms: int, count: int) -> int:
        """Delete so many closed rows, and decisions, that began before; how many rows there were.

        From the first one on the ledger knows that rows are missing there, and asks the sums.
        """
        if before_ms > int(get(self._connection, ROWS_FROM) or 0):
            put(self._connection, ROWS_FROM, value=str(before_ms))
        rows = self._connection.execute(PRUNE_USAGE, (before_ms, count)).rowcount
        return rows + self._connection.execute(PRUNE_DECISIONS, (count, before_ms)).rowcount

    def seal(self) -> None:
        """The last thing in a transaction: bring the rollups to where its rows are."""
        self._sealed_moves = self.moves + self._deltas.moves
        self._deltas.write(self._connection)

    def committed(self) -> None:
        """The transaction is on disk."""
        self.moves = self._sealed_moves
        self._counted_now.clear()
        while len(self._counted) > REQUESTS_REMEMBERED_MAX:
            self._counted.popitem(last=False)

    def settle_clock(self, now: datetime) -> None:
        """The clock is right now, and what is dated later was dated by a wrong one."""
        self._connection.execute(SET_WRONG_CLOCK, (milliseconds(now),))
        self._last_ms = None

    def forget(self) -> None:
        """What was written since the last commit is not in the file: read the sums again."""
        self._sums.clear()
        self._last_ms = None
        self._version = -1
        self._deltas.forget()
        for request_id in self._counted_now:
            self._counted.pop(request_id, None)
        self._counted_now.clear()

    def _last(self) -> int:
        """When the last paid row is dated, in milliseconds; 0 without one."""
        if self._last_ms is None:
            self._last_ms = last_paid_ms(lambda *ask: self._connection.execute(*ask).fetchone())
        return self._last_ms

    def _state(self, budget: Budget, now: datetime, *, ahead: int) -> BudgetState:
        start, end = self._period(budget, now)
        spent, reserved = self._sum(budget.scope, (milliseconds(start), milliseconds(end)))
        return BudgetState(budget, spent, reserved + ahead, start, end)

    def _period(self, budget: Budget, now: datetime) -> tuple[datetime, datetime]:
        """As `budget.period`, which asks the zone's tables: once a period is enough."""
        found = self._periods.get(budget)
        if found is None or not found[0] <= now < found[1]:
            found = self._periods[budget] = period(budget, now)
        return found

    def _sum(self, scope: Scope, span: tuple[int, int]) -> list[int]:
        key = (scope, *span)
        if key not in self._sums:
            self._sums = {k: v for k, v in self._sums.items() if k[2] > span[0]}  # drop the past
            spent, reserved = self._connection.execute(*sum_paid(scope, span)).fetchone()
            self._sums[key] = [spent or 0, reserved or 0]
        return self._sums[key]

    def _moved(self, created_ms: int, whose: Scope, *, spent: int, reserved: int) -> None:
        for (scope, start_ms, end_ms), sums in self._sums.items():
            if start_ms <= created_ms < end_ms and scope.holds(whose):
                sums[0] += spent
                sums[1] += reserved

    def _counts(self, attempt: Attempt) -> int:
        """1 if this row is the one that counts as its request, else 0.

        A request that is tried again counts once, whatever it was tried at first. Remembered, not
        looked up: a request does not outlive the process that answers it.
        """
        if attempt.kind != "request" or attempt.request_id in self._counted:
            return 0
        self._counted[attempt.request_id] = None
        self._counted_now.append(attempt.request_id)
        return 1

    def _known(self, attempt_id: str) -> bool:
        sql = "SELECT 1 FROM usage WHERE attempt_id = ?"
        return bool(self._execute(sql, (attempt_id,)))

    def _execute(self, sql: str, row: Row) -> list[Row]:
        try:
            return self._connection.execute(sql, row).fetchall()
        except UNSTORABLE:
            return self._connection.execute(sql, storable(row)).fetchall()

    def _insert(self, insert: Insert, rows: list[Row]) -> list[Row]:
        """The rows that are in the file now and were not before."""
        if not rows:
            return rows
        self._connection.execute("SAVEPOINT rows")
        try:
            count = self._insert_all(insert, rows)
        except UNSTORABLE:
            self._connection.execute("ROLLBACK TO rows")
            rows = [storable(row) for row in rows]
            count = self._insert_all(insert, rows)
        if count < len(rows):  # some were there: find out which, one by one
            self._connection.execute("ROLLBACK TO rows")
            rows = [row for row in rows if self._connection.execute(insert.one, row).rowcount]
        self._connection.execute("RELEASE rows")
        return rows

    def _insert_all(self, insert: Insert, rows: list[Row]) -> int:
        """How many were new."""
        single = len(rows) % ROWS_AT_ONCE
        count = self._connection.executemany(insert.one, rows[:single]).rowcount if single else 0
        for at in range(single, len(rows), ROWS_AT_ONCE):
            values = chain.from_iterable(rows[at : at + ROWS_AT_ONCE])
            count += self._connection.execute(insert.many, tuple(values)).rowcount
        return count
