"""Keeps the ledger told of what did not come through twotier: logs, the provider's sums.

One task of main. A look reads what is new in the logs, asks the provider where it is time, and
weighs the days in question. It never stops anything: what is done elsewhere cannot be stopped here,
so it counts for alerts and not for limits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
from msgspec.structs import replace

from twotier.domain.bill import WEB_SEARCH, BillRow
from twotier.domain.clock import Clock
from twotier.domain.message import Usage
from twotier.errors import LedgerError, TwotierError
from twotier.ledger import outside as kept
from twotier.ledger.book import Book
from twotier.ledger.cost import bill
from twotier.ledger.outside import BillDay, FileRow, Outside, OutsideRow
from twotier.ledger.spans import DAY_MS
from twotier.outside.admin import DAYS_MAX, Admin
from twotier.outside.bills import PROVIDER
from twotier.outside.compare import Day, PriceOn, compare
from twotier.outside.lines import Seen
from twotier.outside.matching import EARLY_MS, Ours, through
from twotier.outside.walk import Cursor, Piece, Place, pieces

log = logging.getLogger("twotier.outside")
HOUR_MS = 3_600_000
PENDING_MS = HOUR_MS  # how long an answer may turn out to be ours after all
WEIGHED_DAYS = 3  # the provider's sums of yesterday may still grow
KEPT_DAYS = 400
ROWS_AT_ONCE = 200
ADMIN = "admin"
PACKED = (
    "{count} lines of its logs are packed with zstd and cannot be read, so answers may be missing;"
    " `pip install zstandard` into twotier's environment, or use Python 3.14"
)


class Walk(Protocol):
    """Finds what is new in the files of a place."""

    def __call__(
        self, place: Place, cursors: Mapping[str, Cursor], *, since_seconds: float
    ) -> Iterator[Piece]:
        """In pieces, each with where to go on."""
        ...


@dataclass(frozen=True, slots=True)
class Log:
    """One program's logs, how their lines are found, and how a line is read."""

    source: str
    place: Place
    read: Callable[[bytes], Seen | None]
    walk: Walk = pieces


@dataclass(frozen=True, slots=True)
class Habits:
    """How often logs are read and the provider is asked, how far back logs are read, and which
    providers of OpenClaw lead to us or to a machine of one's own.
    """

    every_seconds: float = 60.0
    ask_seconds: float = 900.0
    days_back: int = 35
    skip: frozenset[str] = frozenset()


@dataclass(slots=True)
class Auditor:
    """`run` reads on and on; `because` says by name what could not be looked at."""

    book: Book
    clock: Clock
    price: PriceOn
    logs: Sequence[Log] = ()
    admin: Admin | None = None
    habits: Habits = field(default_factory=Habits)
    because: dict[str, str] = field(default_factory=dict)
    _cursors: dict[str, Cursor] = field(default_factory=dict)
    _weights: dict[str, int] = field(default_factory=dict)
    _next_ask: float = 0.0
    _next_forgetting: float = 0.0
    _begun: bool = False

    async def run(self) -> None:
        """Look, wait, and so on; a ledger that cannot be asked now is asked later."""
        while self.logs or self.admin:
            try:
                await self.look()
            except LedgerError as exc:
                log.warning("outside_not_looked because=%s", exc.message)
            await self.clock.sleep(self.habits.every_seconds)

    async def look(self) -> None:
        """Once. Raises `LedgerError`."""
        if not self._begun:
            rows = await self.book.read(kept.cursors)
            self._cursors = {
                row.key: Cursor(row.key, row.device, row.inode, row.offset) for row in rows
            }
            self._begun = True
        self._forget()
        await self.book.flush()  # what has just come through us is known to have
        await self._settle_pending()
        for one in self.logs:
            self.because.pop(one.source, None)
        for one in self.logs:
            await self._read(one)
        await self._ask()
        days = [day.isoformat() for day in self._last_days(WEIGHED_DAYS)]
        told = await self.book.read(lambda one: kept.bills(one, PROVIDER, days=days))
        await self.weigh(sorted({row.day for row in told}))

    def _forget(self) -> None:
        """Once a day, what is too old."""
        now = self.clock.monotonic()
        if now >= self._next_forgetting:
            self._next_forgetting = now + DAY_MS / 1000
            oldest = self._now_ms() - KEPT_DAYS * DAY_MS
            self.book.keep(Outside(forget_before_ms=oldest))

    async def _read(self, one: Log) -> None:
        """What is new in one program's logs, a chunk at a time."""
        since = (self.clock.now() - timedelta(days=self.habits.days_back)).timestamp()
        found = one.walk(one.place, self._cursors, since_seconds=since)
        unread = 0
        while taken := await self._taken(found, one):
            seen, piece = taken
            cursor, unread = piece.cursor, unread + (0 if piece.more else piece.unread)
            if cursor == self._cursors.get(cursor.key):
                continue
            rows = await self._rows(seen)
            for begin in range(0, len(rows), ROWS_AT_ONCE):  # a reservation never waits for long
                self.book.keep(Outside(tuple(rows[begin : begin + ROWS_AT_ONCE])))
            where = FileRow(cursor.key, cursor.device, cursor.inode, cursor.offset, self._now_ms())
            self.book.keep(Outside(files=(where,)))
            self._cursors[cursor.key] = cursor
        if unread:
            self.because[one.source] = PACKED.format(count=unread)

    async def _taken(self, found: Iterator[Piece], one: Log) -> tuple[list[Seen], Piece] | None:
        """The next chunk; None at the end, and where the disk has none to give."""
        try:
            return await asyncio.to_thread(_take, found, one.read, skip=self.habits.skip)
        except OSError as exc:
            self.because[one.source] = f"its logs cannot be read: {exc.strerror}"
            return None

    async def _rows(self, seen: Sequence[Seen]) -> list[OutsideRow]:
        """Priced, and matched with what is ours; not on the loop, which has requests to carry."""

        def asked(connection: sa.Connection) -> list[OutsideRow]:
            ours = matched(connection, seen)
            price = self.price
            return [row_of(one, price, through=ours.get((one.source, one.id), "")) for one in seen]

        return await self.book.read(asked) if seen else []

    async def _settle_pending(self) -> None:
        """Answers that the ledger had not heard of yet when they were read."""
        since = self._now_ms() - PENDING_MS

        def asked(connection: sa.Connection) -> list[OutsideRow]:
            rows = {(row.source, row.id): row for row in kept.pending(connection, since)}
            ours = matched(connection, [seen_of(row) for row in rows.values()])
            return [replace(rows[key], through=which) for key, which in ours.items()]

        if now_ours := await self.book.read(asked):
            self.book.keep(Outside(tuple(now_ours)))

    async def _ask(self) -> None:
        """The provider, where it is time: the first time of this month, then of the last days."""
        now = self.clock.monotonic()
        if self.admin is None or now < self._next_ask:
            return
        today = self.clock.now().astimezone(UTC).date()
        first = self._last_days(WEIGHED_DAYS)[0]
        if not self._next_ask:
            first = min(first, max(today.replace(day=1), today - timedelta(days=DAYS_MAX - 1)))
        self._next_ask = now + self.habits.ask_seconds
        try:
            told = await self.admin.ask(first, today)
        except TwotierError as exc:
            if self.because.get(ADMIN) != exc.message:
                log.warning("admin_api_not_asked because=%s", exc.message)
            self.because[ADMIN] = exc.message
            return
        self.because.pop(ADMIN, None)
        await self.take_bills(told.rows, told.billed)

    async def take_bills(
        self, rows: Iterable[BillRow], billed: tuple[tuple[str, str, str], ...]
    ) -> None:
        """What a provider said takes the place of what it said before. Raises `LedgerError`."""
        self.book.keep(Outside(bills=tuple(rows), billed=billed))
        await self.book.flush()
        await self.weigh(sorted({day for _, _, day in billed}))

    async def weigh(self, days: Sequence[str]) -> None:
        """What of these days only the provider's sums know. Raises `LedgerError`."""
        await self.book.flush()
        found = await self.compared(days)
        news = [one for one in found if self._weights.get(one.day) != one.excess_microusd]
        self._weights |= {one.day: one.excess_microusd for one in news}
        if news:
            weighed = tuple(
                BillDay(PROVIDER, one.day, kept.day_ms(one.day) + DAY_MS // 2, one.excess_microusd)
                for one in news
            )
            self.book.keep(Outside(days=weighed))
            await self.book.flush()

    async def compared(self, days: Sequence[str]) -> list[Day]:
        """Ours against the provider's, of these days of UTC. Raises `LedgerError`."""

        def asked(connection: sa.Connection) -> list[Day]:
            return compare(
                kept.ours(connection, PROVIDER, days=days),
                kept.bills(connection, PROVIDER, days=days),
                logs=kept.logged(connection, PROVIDER, days=days),
                price=self.price,
            )

        return await self.book.read(asked)

    def _last_days(self, count: int) -> list[date]:
        today = self.clock.now().astimezone(UTC).date()
        return [today - timedelta(days=n) for n in reversed(range(count))]

    def _now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _take(
    found: Iterator[Piece], read: Callable[[bytes], Seen | None], *, skip: Collection[str]
) -> tuple[list[Seen], Piece] | None:
    """Blocking: the next chunk, read; of each answer the fullest line."""
    piece = next(found, None)
    if piece is None:
        return None
    fullest: dict[str, Seen] = {}
    for line in piece.lines:
        one = read(line)
        if one is None or one.provider in skip:
            continue
        known = fullest.get(one.id)
        if known is None or one.usage.output_tokens >= known.usage.output_tokens:
            fullest[one.id] = one
    return list(fullest.values()), piece


def matched(connection: sa.Connection, seen: Sequence[Seen]) -> dict[tuple[str, str], str]:
    """What each of these answers is in the ledger."""
    if not seen:
        return {}
    known = kept.known_requests(connection, {one.request_id for one in seen if one.request_id})
    near = {
        (one.source, one.id): [
            Ours(*row)
            for row in kept.attempts_like(
                connection,
                (one.at_ms - HOUR_MS, one.at_ms + EARLY_MS + 1),
                prompt_tokens=one.usage.prompt_tokens,
                output_tokens=one.usage.output_tokens,
            )
        ]
        for one in seen
        if not one.request_id
    }
    times = [one.at_ms for one in seen]
    used = kept.taken(connection, (min(times) - HOUR_MS, max(times) + HOUR_MS)) if near else ()
    return through(seen, known=known, near=near, taken=used)


def row_of(seen: Seen, price: PriceOn, *, through: str) -> OutsideRow:
    """The row of an answer, at the price of its day."""
    usage = seen.usage
    found = price(seen.provider, seen.model, datetime.fromtimestamp(seen.at_ms / 1000, UTC).date())
    return OutsideRow(
        seen.source,
        seen.id,
        seen.request_id,
        seen.at_ms,
        seen.provider,
        seen.model,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        dict(usage.uses).get(WEB_SEARCH, 0),
        0 if found is None else bill(usage, found).microusd,
        int(found is not None),
        through,
    )


def seen_of(row: OutsideRow) -> Seen:
    """The answer of a row; how it was served is not kept."""
    uses = ((WEB_SEARCH, row.web_searches),) if row.web_searches else ()
    usage = Usage(
        row.input_tokens,
        row.output_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.cache_write_1h_tokens,
        uses=uses,
    )
    return Seen(row.source, row.id, row.request_id, row.at_ms, row.provider, row.model, usage)
