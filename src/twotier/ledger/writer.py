"""The one thread that writes the book: a queue in, one transaction for all that waits in it.

Orders (reserve, settle, flush) are awaited by their callers and answered when their transaction
is on disk; while it is being synced, the next ones gather, and share the next commit. A
reservation that only lacks what others hold may wait in line, and is tried again in the same
transaction as the settlement that made room. Free rows
and decisions are written behind: they lie in a bounded deque until an order takes them along or
`BEHIND_SECONDS` have passed. If a transaction fails, every caller hears it, nothing of it is in
the file, and what must not be lost (settlements, rows written behind) is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from twotier.domain.money import Attempt, Budget, Settlement
from twotier.errors import LedgerError, StoppingError, TwotierError
from twotier.ledger.check import is_broken
from twotier.ledger.chores import Hold, Prune
from twotier.ledger.entries import Behind, Entries
from twotier.ledger.line import Done, Line, Reserve
from twotier.ledger.mend import suspect
from twotier.ledger.store import connect
from twotier.ledger.witness import Witness

BEHIND_SECONDS = 0.05
RETRY_SECONDS = 0.5
BEHIND_ROWS_MAX = 20_000
BATCH_ORDERS_MAX = 500
BATCH_ROWS_MAX = 500
ORDERS_WAITING_MAX = 10_000

TAKEN_AWAY = "the file was taken away or replaced while twotier ran: start twotier again"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """Ask the budgets about an attempt that holds nothing, as of `now`."""

    attempt: Attempt
    budgets: Sequence[Budget]
    now: datetime
    done: Done | None = None

    def write(self, entries: Entries, _: Line) -> bool:
        """Inside the transaction."""
        entries.check(self.budgets, self.attempt, now=self.now)
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Settle:
    """Settle this attempt. Safe to repeat, and so repeated until it is on disk."""

    attempt_id: str
    settlement: Settlement
    done: Done | None = None

    def write(self, entries: Entries, line: Line) -> bool:
        """Inside the transaction. What still waits in line holds nothing, and only leaves."""
        if not line.leave(self.attempt_id):
            entries.settle(self.attempt_id, self.settlement)
        return True


@dataclass(frozen=True, slots=True, eq=False)
class SettleClock:
    """A person says that the clock is right as of `now`, and that it ran ahead before."""

    now: datetime
    done: Done | None = None

    def write(self, entries: Entries, _: Line) -> bool:
        """Inside the transaction."""
        entries.settle_clock(self.now)
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Flush:
    """Nothing of its own: answered once all that came before it is on disk."""

    done: Done | None = None
    last: bool = False  # the thread ends after this one

    def write(self, _: Entries, __: Line) -> bool:
        """Inside the transaction."""
        return True


Order = Reserve | Check | Settle | SettleClock | Flush | Hold | Prune
Answers = dict[Order, TwotierError | None]


class Writer:
    """Owns the writing connection. `put` and `write_behind` are called on the loop's thread."""

    def __init__(
        self,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        *,
        owner: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost = 0  # rows written behind that no longer fitted, or could not be written
        self._path = path
        self._loop = loop
        self._owner = owner
        self._connection: sqlite3.Connection | None = None
        self._entries: Entries | None = None
        self._witness = Witness(path)
        self._file: tuple[int, int] | None = None  # which one it was when it was opened first
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._behind: deque[Behind] = deque()
        self._line = Line(monotonic=monotonic)
        self._now = monotonic
        self._unsettled: list[Settle] = []  # failed once; repeated with every transaction
        self._woken = False
        self._failing = False
        # A daemon: an interpreter that ends without `close` must not hang. What is durable is.
        self._alive = False
        self._thread = threading.Thread(target=self._run, name="twotier-ledger", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._alive = True
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False once the last order was written."""
        return self._alive

    @property
    def busy(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._behind or not self._orders.empty())

    def put(self, order: Order) -> None:
        """Queue an order. Raises `LedgerError` when too many wait already, or after the end."""
        if not self._alive:
            raise LedgerError("the ledger is closed; start twotier again")
        if self._orders.qsize() >= ORDERS_WAITING_MAX and isinstance(order, Reserve):
            raise LedgerError(
                f"{ORDERS_WAITING_MAX} reservations wait for the disk already; "
                "try again later and look at the disk's load"
            )
        self._orders.put(order)

    def write_behind(self, entry: Behind) -> None:
        """Hand over a row; never waits. Past `BEHIND_ROWS_MAX` the row is lost and counted."""
        if len(self._behind) >= BEHIND_ROWS_MAX or not self._alive:
            self._lose(1, "too many rows wait for the disk, or the ledger is closed")
            return
        self._behind.append(entry)
        if not self._woken:
            self._woken = True
            self._orders.put(None)

    def join(self, timeout_seconds: float) -> None:
        """Wait for the thread to end, after an order with `last`."""
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._alive = False

    def _work(self) -> None:
        last = False
        while not last:
            orders = self._collect()
            last = any(isinstance(order, Flush) and order.last for order in orders)
            self._write(orders)
        self._end()

    def _end(self) -> None:
        """Nothing is written any more: who still waits hears it, and the file is closed."""
        closed = StoppingError("twotier is being stopped; ask again when it runs")
        self._answer(dict.fromkeys(self._line.clear(), closed))
        if self._behind:
            self._lose(len(self._behind), "the ledger was closed while it could not be written")
        if self._connection is not None:
            self._connection.close()
        self._witness.close()

    def _collect(self) -> list[Order]:
        """Wait for work. Rows written behind wait for company, unless an order comes."""
        order = self._get(self._patience_seconds())
        if order is None and not self._failing:
            order = self._company()
        orders = [order] if order is not None else []
        while len(orders) < BATCH_ORDERS_MAX and not self._orders.empty():
            order = self._get(0)
            if order is not None:
                orders.append(order)
        return orders

    def _company(self) -> Order | None:
        """Wait until rows written behind are many, or have waited long, or an order comes."""
        until = self._now() + BEHIND_SECONDS
        order = None
        while order is None and len(self._behind) < BATCH_ROWS_MAX:
            left = until - self._now()
            if left <= 0:
                break
            order = self._get(left)  # a wake-up for one more row is no reason to write
        return order

    def _patience_seconds(self) -> float | None:
        if self._failing:
            return RETRY_SECONDS
        # Without work: until an order or a wake-up comes, or those in line want to be looked at.
        return 0 if self._behind else self._line.patience_seconds()

    def _get(self, timeout_seconds: float | None) -> Order | None:
        """The next order; None after the time, or for a wake-up."""
        try:
            return self._orders.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    def _write(self, orders: list[Order]) -> None:
        # Reset first: a row that arrives from here on wakes us again. While the disk fails, the
        # pace is ours: rows must not make us try for each of them.
        self._woken = self._failing
        flushing = any(isinstance(order, Flush) for order in orders)
        count = len(self._behind) if flushing else min(len(self._behind), BATCH_ROWS_MAX)
        rows = [self._behind.popleft() for _ in range(count)]
        if not (orders or rows or self._unsettled or self._line):
            return
        repeated: list[Order] = [*self._unsettled]
        answers: Answers = {}
        try:
            self._transact(repeated + orders, rows, answers=answers)
        except Exception as exc:  # noqa: BLE001 - the top of the thread: all who wait must hear it
            self._rolled_back(exc, orders=orders, rows=rows, answers=answers)
        else:
            self._failing = self._woken = False
            self._unsettled.clear()
        self._answer(answers)

    def _transact(
        self,
        orders: list[Order],
        rows: list[Behind],
        *,
        answers: Answers,
    ) -> None:
        entries, connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        entries.begin()
        # First, because they came first: a request counts where it was tried first, and a tier that
        # costs nothing was tried before the reservation of the next one.
        entries.write_behind(rows)
        for order in orders:
            try:
                if order.write(entries, self._line):
                    answers[order] = None
            except TwotierError as exc:  # this order is refused; the others go on
                answers[order] = exc
        settled = any(isinstance(order, Settle) for order in orders)
        if self._line and (settled or self._line.patience_seconds() == 0):
            self._line.look(entries, answers)
        entries.seal()
        connection.execute("COMMIT")
        entries.committed()
        self._witness.note(entries.moves)

    def _still_there(self) -> None:
        """Raises `sqlite3.Error` if the name is another file's now: rows would go nowhere."""
        try:
            seen = self._path.stat()
        except OSError as exc:
            raise sqlite3.OperationalError(f"{exc.strerror}; {TAKEN_AWAY}") from exc
        self._file = self._file or (seen.st_dev, seen.st_ino)
        if self._file != (seen.st_dev, seen.st_ino):
            raise sqlite3.OperationalError(TAKEN_AWAY)

    def _opened(self) -> tuple[Entries, sqlite3.Connection]:
        self._still_there()
        if self._connection is None or self._entries is None:
            self._connection = connect(self._path)
            self._entries = Entries(self._connection, owner=self._owner)
        return self._entries, self._connection

    def _rolled_back(
        self,
        cause: Exception,
        *,
        orders: list[Order],
        rows: list[Behind],
        answers: Answers,
    ) -> None:
        """Undo it all, keep what must not be lost, and note an error for everyone else."""
        self._undo(cause)
        failure = LedgerError(
            f"the ledger {self._path} cannot be written ({cause}); nothing that costs money is "
            "asked until it can: free space on its disk, or see `twotier doctor`"
        )
        failure.__cause__ = cause
        for order in [*orders, *answers, *self._line.clear()]:
            answers[order] = answers.get(order) or failure
        if not isinstance(cause, sqlite3.Error):
            log.error("a ledger batch failed for no fault of the disk", exc_info=cause)
            self._lose(len(rows), "a row could not be written")
            return
        if is_broken(cause):
            suspect(self._path, str(cause))
        if not self._failing:
            log.error("ledger_unwritable path=%s cause=%s", self._path, cause)
        self._failing = self._woken = True
        self._unsettled += [order for order in orders if isinstance(order, Settle)]
        self._behind.extendleft(reversed(rows))

    def _undo(self, cause: Exception) -> None:
        if self._connection is None or self._entries is None:
            return
        self._entries.forget()
        if not self._undone(self._connection, cause):
            # Closing rolls back as well, and the next batch opens the file anew.
            self._connection.close()
            self._connection = self._entries = None

    def _undone(self, connection: sqlite3.Connection, cause: Exception) -> bool:
        """True if the connection can go on: nothing was wrong with it, there was no room."""
        if getattr(cause, "sqlite_errorcode", None) not in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_BUSY,
        ):
            return False
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def _answer(self, answers: Mapping[Any, TwotierError | None]) -> None:
        heard = [(order.done, error) for order, error in answers.items() if order.done]
        if not heard:
            return
        try:
            self._loop.call_soon_threadsafe(_resolve, heard)
        except RuntimeError:  # the loop has ended, and with it everyone who waited
            log.warning("ledger_answers_unheard count=%d", len(heard))

    def _lose(self, count: int, because: str) -> None:
        if count and not self.lost:
            log.error("ledger_rows_lost because=%s", because)
        self.lost += count


def _resolve(answers: list[tuple[Done, TwotierError | None]]) -> None:
    for done, error in answers:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
