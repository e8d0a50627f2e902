"""What main tells of itself while its ledger cannot be read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.ledger.toys import NOON, HandClock, daily, paid
from twotier.domain.tier import TierFacts, TierState
from twotier.gateway.live import Live
from twotier.gateway.refusals import Refusals
from twotier.gateway.status import FROM_LEDGER, Status
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.ledger.book import Book


def damaged(path: Path, damage: bytes) -> None:
    """Other bytes in its place."""
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(damage)


async def told_twice(path: Path, *, damage: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is told with money in the ledger; and after its file was overwritten."""
    clock = HandClock()
    book = await Book.open(path, clock=clock)
    await book.reserve(paid("a", 2_500_000))
    status = Status(
        version="1",
        address="http://127.0.0.1:1",
        public_url="",
        started_at=NOON,
        zone="UTC",
        tiers={},
        worker=lambda: TierFacts("worker", TierState.READY, pid=7),
        book=book,
        live=Live(60.0, Refusals(lambda: "r1")),
        budgets=lambda: [daily(5_000_000)],
        clock=clock,
        learned=Learned(Speeds(clock)),
    )
    before = await status.told()
    await book.close()
    damaged(path, damage)
    return before, await status.told()


def test_a_damaged_ledger_takes_only_the_money(tmp_path: Path) -> None:
    """The real book over a file that is none: nulls with a reason, and the rest as before."""
    path = tmp_path / "ledger.db"
    before, after = asyncio.run(told_twice(path, damage=b"no database at all" * 1_000))
    assert before["ledger"]["unreadable"] == ""
    assert [one["reserved_usd"] for one in before["budgets"]] == ["2.500000"]
    assert {name: after[name] for name in FROM_LEDGER} == dict.fromkeys(FROM_LEDGER)
    assert f"the ledger {path} cannot be read" in after["ledger"]["unreadable"]
    assert "`twotier doctor`" in after["ledger"]["unreadable"]
    same = set(before) - {*FROM_LEDGER, "ledger"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
