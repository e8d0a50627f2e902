"""The book: the ledger on disk, as the rest of the program sees it.

Where money is at stake: `reserve` before the first byte upstream, `settle` once at the end; both
return when the row is on disk. A free attempt is only `record`ed, and a decision noted: handed
over in microseconds, on disk within about 50 ms. Open rows of an earlier life are charged at
their reservation when the book is opened, so no crash makes spending look smaller than it was.
One book per file and process; the state folder's lock, held elsewhere, keeps a second one away.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.domain.decision import Decision
from twotier.domain.known import NOTHING, Known
from twotier.domain.money import (
    Attempt,
    Budget,
    BudgetState,
    Outcome,
    Settled,
    Settlement,
)
from twotier.domain.task import Task
from twotier.domain.verdict import Judgement
from twotier.errors import BudgetError, LedgerError
from twotier.ledger.batches import Batched, KnownBatch
from twotier.ledger.budget import reached
from twotier.ledger.chores import Hold, Prune
from twotier.ledger.findings import Found, ProbeRow, SpeedRow
from twotier.ledger.incidents import Alerted, Unfinished
from twotier.ledger.judgements import Forgotten, Judged, judgement_rows
from twotier.ledger.line import Done, Reserve
from twotier.ledger.opening import Opened, prepare
from twotier.ledger.outside import Outside
from twotier.ledger.reports import Outlook, RecentRow, RepairRow, Reports
from twotier.ledger.rows import Decided, Recorded, milliseconds
from twotier.ledger.served import Look, Served
from twotier.ledger.spans import day_of
from twotier.ledger.spending import SpendRow
from twotier.ledger.writer import Check, Flush, Order, Settle, SettleClock, Writer

T = TypeVar("T")
ANSWER_SECONDS_MAX = 15.0  # three times the time SQLite itself waits for a lock
_NEVER_ASKED = Settlement(Settled.VOID, Outcome.CANCELLED, 0, error="cancelled before it was sent")


class Book:
    """One ledger file. Made by `open`; belongs to the event loop it was opened on."""

    def __init__(
        self, path: Path, *, clock: Clock, opened: Opened, writer: type[Writer] = Writer
    ) -> None:
        self.path = path
        self.recovered = opened.recovered  # rows of an earlier life, charged at their bound
        self.held = opened.held  # why every limit counts as reached, empty if it does not
        self.checked = opened.whole  # whether all of the file was looked at when it was opened
        self.headers: frozenset[str] = frozenset()  # that rules look at: kept with each decision
        self._clock = clock
        self._refused: Counter[tuple[str, str]] = Counter()  # by budget and end of its period
        self._loop = asyncio.get_running_loop()
        self._writer = writer(path, self._loop, owner=opened.owner)
        self._reports = Reports(path)

    @classmethod
    async def open(
        cls, path: Path, *, clock: Clock, owner: str = "", writer: type[Writer] = Writer
    ) -> Book:
        """Make or migrate the file (mode 0600), charge what was left open, begin to write.

        `owner` is the gateway's name in its rows; without one, a name that is kept in the folder.
        `writer` is who writes: a thread, or in a simulator something that is stepped by hand.
        A broken file is kept aside and replaced, see `mend`; then the ledger is held. Raises
        `LedgerError` if the file is too new, or cannot be written.
        """
        opened = await asyncio.to_thread(prepare, path, owner=owner, now=clock.now())
        book = cls(path, clock=clock, opened=opened, writer=writer)
        book._writer.start()
        return book

    @property
    def busy(self) -> bool:
        """Whether something waits to be written."""
        return self._writer.busy

    async def hold(self, because: str) -> None:
        """From here on every limit counts as reached; durable. Raises `LedgerError`."""
        await self._done(lambda done: Hold(because, done))
        self.held = because

    async def confirm(self) -> str:
        """The owner has looked: limits count again what the ledger knows. Why it was held."""
        because = self.held
        await self.hold("")
        return because

    async def prune(self, before: datetime) -> int:
        """Delete some rows and decisions older than that; how many. Their sums stay."""
        deleted: list[int] = []
        before_ms = day_of(milliseconds(before))
        await self._done(lambda done: Prune(before_ms, done, deleted))
        return sum(deleted)

    @property
    def lost(self) -> int:
        """Rows written behind that never reached the disk. Paid attempts are never among them."""
        return self._writer.lost

    async def reserve(
        self, attempt: Attempt, budgets: Sequence[Budget] = (), *, wait_seconds: float = 0.0
    ) -> None:
        """Hold `attempt.reserved_microusd` against every budget; returns when that is durable.

        Raises `BudgetError` when a limit would be passed, and `LedgerError` when the row cannot
        be written; then nothing is held. Where only money that others hold stands in the way, it
        waits for that as long as it is told to. A caller that is cancelled while it waits holds
        nothing either: its row is voided.
        """
        void = Settle(attempt.id, _NEVER_ASKED)
        now = self._clock.now()
        own = [budget for budget in budgets if budget.covers(attempt)]
        try:
            await self._done(
                lambda done: Reserve(attempt, own, now, done, wait_seconds),
                else_put=void,
                more_seconds=wait_seconds,
            )
        except BudgetError as exc:
            if wait_seconds or not exc.passing:
                self._refused[exc.facts["name"], exc.facts["resets_at"]] += 1
            raise

    async def check(self, attempt: Attempt, budgets: Sequence[Budget]) -> None:
        """Ask the budgets that stop even free work about a free attempt; nothing is held.

        Raises `BudgetError`, and `LedgerError` when the ledger cannot be asked. Budgets of other
        kinds have no say in free work, so without one that stops this returns at once.
        """
        stops = [one for one in budgets if one.at_limit == "stop" and one.covers(attempt)]
        if stops:
            now = self._clock.now()
            await self._done(lambda done: Check(attempt, stops, now, done))

    async def settle(self, attempt_id: str, settlement: Settlement) -> None:
        """Close a reserved attempt, exactly once: a second settlement changes nothing.

        The order is queued at once, so a cancelled caller loses nothing. On `LedgerError` from a
        full disk it stays queued and is written as soon as that works; until then the whole
        reservation stays held.
        """
        await self._done(lambda done: Settle(attempt_id, settlement, done))

    async def settle_clock(self) -> None:
        """Take the clock as right, and what is dated later as dated by a wrong one: it no longer
        sets the ledger's time. Raises `LedgerError`.
        """
        now = self._clock.now()
        await self._done(lambda done: SettleClock(now, done))

    def record(self, attempt: Attempt, settlement: Settlement) -> None:
        """Note a finished attempt of a free tier. Never waits, never raises for the disk."""
        began_ms = milliseconds(self._clock.now()) - int(settlement.total_seconds * 1000)
        self._writer.write_behind(Recorded(attempt, settlement, began_ms))

    def note_decision(
        self,
        request_id: str,
        decision: Decision,
        *,
        task: Task,
        known: Known = NOTHING,
        run: str = "",
    ) -> None:
        """Note why a request goes where it goes. Of what it is and what was known of it only the
        numbers are kept, what it said in the `headers` that rules look at, and its `run` where a
        rule keeps that on this machine.
        """
        now_ms = milliseconds(self._clock.now())
        decided = Decided(request_id, task, decision, now_ms, known, run, self.headers)
        self._writer.write_behind(decided)

    def keep(self, found: Found | Alerted | Outside | Batched | Judged | Forgotten) -> None:
        """Note what was found out or judged, is told to a person, went past us or waits in a batch.
        As `record`: only `flush` makes sure that it is on disk.
        """
        self._writer.write_behind(found)

    async def speeds(self) -> list[SpeedRow]:
        """How fast models were, in this life and those before."""
        return await asyncio.to_thread(self._reports.speeds)

    async def probes(self) -> list[ProbeRow]:
        """The last probe of each model and version."""
        return await asyncio.to_thread(self._reports.probes)

    async def judgements(self) -> Sequence[Judgement]:
        """What became of work, in this life and those before, the oldest first."""
        return await self.read(judgement_rows)

    async def unfinished(self) -> Unfinished:
        """Incidents that are open and messages on their way, in this life and those before."""
        return await asyncio.to_thread(self._reports.unfinished)

    async def batches(self) -> list[KnownBatch]:
        """What waits in a batch, and what came of those that ended."""
        return await asyncio.to_thread(self._reports.batches)

    async def spend(
        self, *, by: str = "tier", since: datetime, until: datetime, zone: str = "UTC"
    ) -> list[SpendRow]:
        """What was used and paid, by tier, model, job, client, rule or day of a zone."""
        return await asyncio.to_thread(
            lambda: self._reports.spend(by=by, since=since, until=until, zone=zone)
        )

    async def served(
        self, since: datetime, until: datetime, *, local: frozenset[str], looks: Sequence[Look]
    ) -> Served:
        """What was done in a span and what those looks would have been: for the savings."""
        return await asyncio.to_thread(
            lambda: self._reports.served(since, until, local=local, looks=looks)
        )

    async def read(self, question: Callable[[sa.Connection], T]) -> T:
        """The answer to another module's question, asked of one moment. Raises `LedgerError`."""
        return await asyncio.to_thread(self._reports.read, question)

    async def budgets(self, budgets: Sequence[Budget]) -> list[BudgetState]:
        """Where each budget stands now: for showing; `reserve` is what decides."""
        states = await asyncio.to_thread(self._reports.budgets, budgets, self._clock.now())
        return [self._told(state) for state in states]

    async def clients(self, since: datetime) -> dict[str, datetime]:
        """When each client's last attempt began, of those since then."""
        return await asyncio.to_thread(self._reports.clients, since)

    async def repairs(self, since: datetime) -> list[RepairRow]:
        """What became of the tool calls that models wrote as text since then."""
        return await asyncio.to_thread(self._reports.repairs, since)

    async def recent(self, limit: int) -> list[RecentRow]:
        """The last attempts, the newest first."""
        return await asyncio.to_thread(self._reports.recent, limit)

    async def flush(self) -> None:
        """Returns once everything handed over so far is on disk. Raises `LedgerError`."""
        await self._done(Flush)

    async def lives(self) -> bool:
        """Whether its writer does its work; that the disk is full is an answer too."""
        if not self._writer.alive:
            return False
        try:
            await self.flush()
        except LedgerError as exc:
            return not isinstance(exc.__cause__, TimeoutError)
        return True

    async def close(self) -> None:
        """Write what is left and end the thread. Raises `LedgerError` if it cannot be written."""
        if not self._writer.alive:
            return
        try:
            await self._done(lambda done: Flush(done, last=True))
        finally:
            await asyncio.to_thread(self._writer.join, ANSWER_SECONDS_MAX)

    async def outlooks(self, budgets: Sequence[Budget]) -> list[Outlook]:
        """The same, and what the work of each has cost by the hour: where it is going."""
        now = self._clock.now()
        seen = await asyncio.to_thread(self._reports.outlooks, budgets, now)
        return [dataclasses.replace(one, state=self._told(one.state)) for one in seen]

    def _told(self, state: BudgetState) -> BudgetState:
        """With what its limit refused in this life; reached while the ledger is held."""
        state = reached(state) if self.held else state
        refused = self._refused[state.budget.name, state.resets_at.isoformat()]
        return dataclasses.replace(state, refused=refused)

    async def _done(
        self,
        order: Callable[[Done], Order],
        *,
        else_put: Order | None = None,
        more_seconds: float = 0.0,
    ) -> None:
        """Queue an order, wait for its answer; `else_put` follows it if nobody waits any more."""
        done: Done = self._loop.create_future()
        self._writer.put(order(done))
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX + more_seconds):
                await self._heard(done, else_put)
        except TimeoutError as exc:
            raise LedgerError(
                f"the ledger's disk did not answer in {ANSWER_SECONDS_MAX:.0f} s; "
                "look at its load, and at other programs that hold the file"
            ) from exc

    async def _heard(self, done: Done, else_put: Order | None) -> None:
        # Not `done.cancelled()`: a caller may also be cancelled between the answer and its turn.
        try:
            await done
        except asyncio.CancelledError:
            if else_put is not None and self._writer.alive:
                self._writer.put(else_put)
            raise
