"""Main as far as fees go: its own book and budgets behind a real private socket."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from twotier.agent.fees import MainFees
from twotier.agent.model import MainClient
from twotier.domain.clock import Clock
from twotier.domain.money import Budget
from twotier.gateway.control import told
from twotier.gateway.fees import FeesControl
from twotier.jobs.api import listen, server
from twotier.ledger.book import Book
from twotier.ledger.shipped import shipped_prices


@dataclass(frozen=True)
class Booking:
    """The way to it, and its ledger."""

    fees: MainFees
    client: MainClient
    book: Book

    async def rows(self) -> list[tuple[str, str, int, int]]:
        """Job, how sure, held at most and cost of each row, in micro-dollars."""
        await self.book.flush()
        sql = "SELECT job, settled, reserved_microusd, cost_microusd FROM usage ORDER BY rowid"
        with closing(sqlite3.connect(self.book.path)) as connection:
            return connection.execute(sql).fetchall()

    async def cost_microusd(self) -> int:
        """What the ledger says was spent."""
        return sum(cost for _, _, _, cost in await self.rows())


@asynccontextmanager
async def booking_main(
    home: Path, clock: Clock, *, budgets: Sequence[Budget] = ()
) -> AsyncIterator[Booking]:
    """Main for a test."""
    prices = shipped_prices().with_unit("x", "post_read", usd="0.005")  # on any day
    book = await Book.open(home / "ledger.db", clock=clock)
    control = FeesControl(
        book,
        lambda: budgets,
        lambda *unit_day: prices.unit_price(*unit_day[:2], on=unit_day[2]),
        clock,
    )
    app = Starlette(routes=[Route("/control/fees", told(control), methods=["POST"])])
    serving = server(app)
    sock = listen(home / "fees.sock")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(serving.serve(sockets=[sock]))
            async with MainClient(home / "fees.sock") as client:
                yield Booking(MainFees(client), client, book)
            serving.should_exit = True
    finally:
        sock.close()
        await book.close()
