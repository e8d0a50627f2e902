"""Orders of the house: hold every limit, let it go, delete old rows a few at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from twotier.ledger.entries import Entries
from twotier.ledger.line import Done, Line

ROWS_AT_A_TIME = 500


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """Count every limit as reached, for this reason; empty: no longer."""

    because: str
    done: Done | None = None

    def write(self, entries: Entries, _: Line) -> bool:
        """Inside the transaction."""
        entries.hold(self.because)
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Prune:
    """Delete some rows that began before this moment, in milliseconds; their sums stay."""

    before_ms: int
    done: Done | None = None
    deleted: list[int] = field(default_factory=list)

    def write(self, entries: Entries, _: Line) -> bool:
        """Inside the transaction."""
        self.deleted.append(entries.prune(self.before_ms, ROWS_AT_A_TIME))
        return True
