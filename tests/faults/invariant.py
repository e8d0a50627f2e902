"""Nothing lost: what must be true after every fault, whatever it was.

The fake frontier's own bill is the truth. Rows that were settled from its usage are exactly on it;
every other request on it has a row that is marked and costs at least as much; nobody waits; every
client got a whole answer or saw that it did not; the databases are whole.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.anthropic_bill import Row
from tests.faults.crowd import Seen, Told
from twotier.domain.money import Settled

DATABASES = ("ledger.db", "work.db", "engine.db", "answers.db")


@dataclass(frozen=True, slots=True)
class Paid:
    """A row of the ledger about the frontier."""

    request_id: str
    settled: Settled
    cost_microusd: int
    reserved_microusd: int


def paid_rows(ledger: Path) -> list[Paid]:
    """All of them, the oldest first."""
    query = (
        "SELECT request_id, settled, cost_microusd, reserved_microusd FROM usage"
        " WHERE provider = 'anthropic' ORDER BY created_ms"
    )
    with closing(sqlite3.connect(ledger)) as connection:
        return [Paid(row[0], Settled(row[1]), row[2], row[3]) for row in connection.execute(query)]


def nothing_lost(state: Path, bill: Sequence[Row], *, told: Sequence[Told]) -> None:
    """Raises `AssertionError` with what is not as it must be. Main is down, or has nothing open."""
    rows = paid_rows(state / "ledger.db")
    assert not [row for row in rows if row.settled is Settled.OPEN], "a row is open for ever"
    every_request_has_its_row(rows, bill)
    lies = [one for one in told if one.seen is Seen.LIE]
    assert not lies, f"{len(lies)} clients took half an answer for a whole one: {lies[0]}"
    for name in DATABASES:
        if (state / name).exists():
            with closing(sqlite3.connect(state / name)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), name


def every_request_has_its_row(rows: Sequence[Paid], bill: Sequence[Row]) -> None:
    """Each question has its own price, so a settled row finds its line of the bill by the sum.

    What is left of the bill are requests whose usage never reached us whole: the marked rows, the
    dearest for the dearest, must cover them.
    """
    owed = Counter(row.microusd for row in bill)
    exact = Counter(row.cost_microusd for row in rows if row.settled is Settled.SETTLED)
    invented = exact - owed
    assert not invented, f"settled, but not on the bill: {sorted(invented)[:5]}"
    left = sorted((owed - exact).elements(), reverse=True)
    marked = sorted(
        (r.cost_microusd for r in rows if r.settled in (Settled.ESTIMATED, Settled.UNKNOWN)),
        reverse=True,
    )
    assert len(marked) >= len(left), f"{len(left) - len(marked)} requests of the bill have no row"
    short = [(a, b) for a, b in zip(marked, left, strict=False) if a < b]
    assert not short, f"marked rows cost less than the bill says: {short[:5]}"
