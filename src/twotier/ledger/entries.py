"""What is written inside one transaction of the book: reservations, settlements, rows.

Runs on the writer's thread only. It neither begins nor commits: the writer does, once for many
entries. The sums that budgets need are read from the file once per period and then kept up to
date entry by entry, which is right because this is the only place that writes them; after a
rollback they are forgotten and read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from twotier.domain.money import Attempt, Budget, BudgetState, Outcome, Settled, Settlement
from twotier.errors import BudgetError, LedgerError
from twotier.ledger.budget import judge, period
from twotier.ledger.rows import (
    INSERT_DECISION,
    INSERT_RECORDED,
    INSERT_RESERVED,
    RECOVER,
    SETTLE,
    SUM_PAID,
    Decided,
    Recorded,
    Row,
    milliseconds,
    settle_row,
    storable,
    usage_row,
)

# A tuple the driver cannot bind. Everything else it raises is about the file.
UNSTORABLE = (ValueError, OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
_OPEN = Settlement(Settled.OPEN, Outcome.PENDING, 0)


class Entries:
    """The statements of one connection, and the sums of the periods that budgets look at."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # (start_ms, end_ms) of a period -> [spent, reserved] in micro-dollars
        self._sums: dict[tuple[int, int], list[int]] = {}

    def reserve(self, attempt: Attempt, *, budgets: Sequence[Budget], now: datetime) -> None:
        """Insert the open row if every budget allows it. Raises `BudgetError`, `LedgerError`."""
        states = [self._state(budget, now) for budget in budgets]
        verdict = judge(states, attempt.reserved_microusd, background=attempt.background)
        if not verdict.allowed:
            raise BudgetError(verdict.sentence)
        created_ms = milliseconds(now)
        try:
            self._execute(INSERT_RESERVED, usage_row(attempt, _OPEN, created_ms=created_ms))
        except sqlite3.IntegrityError as exc:
            raise LedgerError(
                f"the attempt {attempt.id} is in the ledger already; "
                "every attempt needs an id of its own"
            ) from exc
        self._moved(created_ms, spent=0, reserved=attempt.reserved_microusd)

    def settle(self, attempt_id: str, settlement: Settlement) -> None:
        """Close the open row; a row that is closed already stays as it is.

        Raises `LedgerError` for an attempt that was never reserved.
        """
        found = self._execute(SETTLE, settle_row(attempt_id, settlement))
        for created_ms, reserved in found:
            self._moved(created_ms, spent=settlement.cost_microusd, reserved=-reserved)
        if not found and not self._known(attempt_id):
            raise LedgerError(
                f"the attempt {attempt_id} was never reserved, so it cannot be settled; "
                "reserve first, or record a free attempt"
            )

    def write_behind(self, entries: Iterable[Recorded | Decided]) -> None:
        """Write finished free attempts and decisions. The same attempt again changes nothing."""
        usage: list[Row] = []
        decisions: list[Row] = []
        for entry in entries:
            (usage if isinstance(entry, Recorded) else decisions).append(entry.row())
            if isinstance(entry, Recorded) and entry.settlement.cost_microusd:
                self.forget()
        self._insert(INSERT_RECORDED, usage)
        self._insert(INSERT_DECISION, decisions)

    def recover(self) -> int:
        """Charge what an earlier life left open, and say how many rows that were."""
        return self._connection.execute(RECOVER).rowcount

    def forget(self) -> None:
        """The sums are no longer what the file says; read them again."""
        self._sums.clear()

    def _state(self, budget: Budget, now: datetime) -> BudgetState:
        start, end = period(budget, now)
        spent, reserved = self._sum(milliseconds(start), milliseconds(end))
        return BudgetState(budget, spent, reserved, start, end)

    def _sum(self, start_ms: int, end_ms: int) -> list[int]:
        key = (start_ms, end_ms)
        if key not in self._sums:
            self._sums = {k: v for k, v in self._sums.items() if k[1] > start_ms}  # drop the past
            spent, reserved = self._connection.execute(SUM_PAID, key).fetchone()
            self._sums[key] = [spent or 0, reserved or 0]
        return self._sums[key]

    def _moved(self, created_ms: int, *, spent: int, reserved: int) -> None:
        for (start_ms, end_ms), sums in self._sums.items():
            if start_ms <= created_ms < end_ms:
                sums[0] += spent
                sums[1] += reserved

    def _known(self, attempt_id: str) -> bool:
        sql = "SELECT 1 FROM usage WHERE attempt_id = ?"
        return bool(self._execute(sql, (attempt_id,)))

    def _execute(self, sql: str, row: Row) -> list[Row]:
        try:
            return self._connection.execute(sql, row).fetchall()
        except UNSTORABLE:
            return self._connection.execute(sql, storable(row)).fetchall()

    def _insert(self, sql: str, rows: list[Row]) -> None:
        if not rows:
            return
        self._connection.execute("SAVEPOINT rows")
        try:
            self._connection.executemany(sql, rows)
        except UNSTORABLE:
            self._connection.execute("ROLLBACK TO rows")
            self._connection.executemany(sql, [storable(row) for row in rows])
        self._connection.execute("RELEASE rows")
