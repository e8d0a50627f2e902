"""A process that spends as much as a cap lets it: `python -m tests.ledger.racer FILE NAME CAP`.

Says `ready` when it has the file open, begins with a line on its input, and says what it was given.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.ledger.toys import HandClock, daily, paid, settled
from twotier.errors import BudgetError
from twotier.ledger.book import Book

EACH = 10


async def main(path: Path, name: str, *, cap: int) -> None:
    book = await Book.open(path, clock=HandClock(), owner=name)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    budgets, given, refused = (daily(cap),), 0, 0
    while not refused:
        attempt = f"{name}{given}"
        try:
            await book.reserve(paid(attempt, EACH), budgets)
        except BudgetError:
            refused += 1
        else:
            given += 1
            await book.settle(attempt, settled(EACH))
    sys.stdout.write(f"{given}\n")
    await book.close()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], cap=int(sys.argv[3])))
