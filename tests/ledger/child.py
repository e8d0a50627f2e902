"""A process that holds reservations until it is killed: `python -m tests.ledger.child FILE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.ledger.toys import HandClock, daily, paid, settled
from twotier.ledger.book import Book


async def main(path: Path) -> None:
    book = await Book.open(path, clock=HandClock())
    budgets = (daily(1_000_000),)
    for name, amount in (("one", 1000), ("two", 2000), ("three", 4000)):
        await book.reserve(paid(name, amount), budgets)
    await book.settle("one", settled(700))
    sys.stdout.write("held\n")
    sys.stdout.flush()
    await asyncio.sleep(60)  # killed long before; ends by itself if the test forgets it


asyncio.run(main(Path(sys.argv[1])))
