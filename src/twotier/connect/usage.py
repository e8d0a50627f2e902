"""What Claude Code's work of the last days would have cost by the token, from its own logs.

An estimate, and named so: prices are those of the list, and logs that have been deleted are not
in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from twotier.domain.money import Price
from twotier.ledger.cost import bill
from twotier.outside import claude_code
from twotier.outside.lines import Seen
from twotier.outside.walk import Place, pieces

DAYS = 30


@dataclass(frozen=True, slots=True)
class Estimate:
    """Micro-dollars over the last `days`; `active` days have work in them. `unpriced` answers are
    not in the sum.
    """

    days: int
    active: int
    answers: int
    unpriced: int
    microusd: int

    @property
    def a_day(self) -> int:
        """Micro-dollars on a day with work."""
        return self.microusd // self.active if self.active else 0


def estimate(
    folder: Path, *, now: datetime, price: Callable[[str, str, date], Price | None]
) -> Estimate:
    """Read the logs below Claude Code's folder."""
    since = now - timedelta(days=DAYS)
    place = Place(folder / "projects", "*.jsonl")
    lines = (
        line for piece in pieces(place, {}, since_seconds=since.timestamp()) for line in piece.lines
    )
    seen = (one for line in lines if (one := claude_code.read(line)))
    return summed(seen, since_ms=int(since.timestamp() * 1000), price=price)


def summed(
    seen: Iterable[Seen], *, since_ms: int, price: Callable[[str, str, date], Price | None]
) -> Estimate:
    """One answer is several lines, and its last one holds all of its tokens."""
    answers: dict[str, Seen] = {}
    for one in seen:
        known = answers.get(one.id)
        if one.at_ms >= since_ms and (known is None or known.tokens <= one.tokens):
            answers[one.id] = one
    total, unpriced, days = 0, 0, set()
    for one in answers.values():
        day = datetime.fromtimestamp(one.at_ms / 1000, UTC).date()
        days.add(day)
        terms = price(one.provider, one.model, day)
        if terms is None:
            unpriced += 1
        else:
            total += bill(one.usage, terms).microusd
    return Estimate(DAYS, len(days), len(answers), unpriced, total)
