"""The ledger's own time: when its last paid row is dated. It never goes back with the clock.

A clock that ran ahead by mistake leaves rows in the future, and everything counts there until
they are reached. A person may say that it was wrong: then the rows that are later than the clock
says now no longer set the time. They are told by their row numbers, so that what comes after them
does. They count where they are dated, whenever that comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Ask = Callable[[str, tuple[Any, ...]], Sequence[Any] | None]

WRONG_CLOCK = "SELECT value FROM meta WHERE key = 'wrong_clock'"
LAST_PAID = (
    "SELECT created_ms FROM usage WHERE (cost_microusd > 0 OR reserved_microusd > 0)"
    " AND NOT (created_ms > ? AND rowid <= ?) ORDER BY created_ms DESC LIMIT 1"
)
SET_WRONG_CLOCK = (
    "INSERT INTO meta (key, value) SELECT 'wrong_clock', ? || ' ' || coalesce(max(rowid), 0)"
    " FROM usage WHERE true ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


def last_paid_ms(ask: Ask) -> int:
    """Milliseconds since 1970, 0 without a paid row. `ask` gives the first row of a statement."""
    wrong = ask(WRONG_CLOCK, ())
    after, row = map(int, wrong[0].split()) if wrong else (0, 0)
    last = ask(LAST_PAID, (after, row))
    return int(last[0]) if last else 0
