"""A process whose disk is full at the first, second, third ... page it writes to the ledger's log.

`python -m tests.ledger.full FOLDER COUNT EVERY`; its files may not grow past a limit that is moved
page by page (RLIMIT_FSIZE), while real requests go through the dispatcher to an upstream that looks
for their row. Says how often it was refused, and how many answers were paid for.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.ledger.toys import HandClock
from tests.test_budgets import DEAR, Capped
from twotier.errors import LedgerError
from twotier.ledger.book import Book
from twotier.providers.base import Ask, Reply
from twotier.providers.scripted import Scripted

FRAME_BYTES = 4096 + 24  # a page in the log
REQUESTS_MAX = 60


class Looking(Scripted):
    """An upstream that is only asked for what is on disk: an open row for each ask."""

    def __init__(self, path: Path) -> None:
        super().__init__([DEAR] * 2 * REQUESTS_MAX)
        self._path = path

    async def ask(self, ask: Ask) -> Reply:
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as file:
            sql = "SELECT count(*) FROM usage WHERE settled = 'open'"
            assert file.execute(sql).fetchone() == (1,), "asked without a row"
        return await super().ask(ask)


def limit(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


async def refused_once(world: Capped) -> bool:
    """Ask until there is no room; nothing is asked of the upstream then."""
    for _ in range(REQUESTS_MAX):
        before = len(world.frontier.asks)
        (said,) = await asyncio.gather(world.ask("frontier"), return_exceptions=True)
        if isinstance(said, LedgerError):
            assert said.status == 503
            assert "free space on its disk" in said.message, said.message
            return len(world.frontier.asks) == before
        assert isinstance(said, dict), said
    raise AssertionError("the disk never filled")


async def play(path: Path, page: int) -> tuple[bool, int]:
    """Whether the request that was refused was refused before it was sent; what was paid for."""
    book = await Book.open(path, clock=HandClock(), owner="gateway")
    frontier = Looking(path)
    world = Capped(book, path, HandClock(), Scripted([]), frontier)
    await world.ask("frontier")
    log = path.with_name(f"{path.name}-wal")
    limit(log.stat().st_size + page * FRAME_BYTES)
    try:
        unsent = await refused_once(world)
    finally:
        limit(resource.RLIM_INFINITY)
    await world.ask("frontier")  # it recovers by itself
    await book.flush()
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT settled, cost_microusd FROM usage").fetchall()
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    # Every answer has its row, settled at what the upstream charged for it.
    paid = [cost for state, cost in rows if state == "settled"]
    assert len(paid) == len(frontier.asks), rows
    assert len(set(paid)) == 1
    assert {state for state, _ in rows} <= {"settled", "void"}, rows
    await book.close()
    return unsent, len(paid)


async def main(folder: Path, pages: range) -> None:
    template = folder / "template.db"
    await (await Book.open(template, clock=HandClock(), owner="gateway")).close()
    unsent = paid = 0
    for page in pages:
        path = folder / f"full{page}" / "ledger.db"
        path.parent.mkdir()
        shutil.copyfile(template, path)
        one, more = await play(path, page)
        unsent, paid = unsent + one, paid + more
        shutil.rmtree(path.parent)
    sys.stdout.write(
        f"{len(pages)} full disks, {unsent} refused before they were sent, {paid} paid\n"
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), range(0, int(sys.argv[2]), int(sys.argv[3]))))
