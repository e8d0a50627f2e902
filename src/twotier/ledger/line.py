"""Who waits for money that others hold: reservations that fit as soon as enough is given back.

Used on the writer's thread only. A person at a keyboard goes before background work, and among
their like whoever came first: what those ask who go before counts as held, so that many small
requests never starve a large one. The writer looks again when it has settled something, and once a
second for what another process gave back or a new day brings.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from twotier.domain.money import Attempt, Budget
from twotier.errors import BudgetError, TwotierError
from twotier.ledger.entries import Ahead, Entries, nobody

LOOK_SECONDS = 1.0
Done = asyncio.Future[None]


@dataclass(frozen=True, slots=True, eq=False)
class Reserve:
    """Reserve for this attempt, as of `now`. Waits so long for money that others hold."""

    attempt: Attempt
    budgets: Sequence[Budget]
    now: datetime
    done: Done | None = None
    wait_seconds: float = 0.0

    def write(self, entries: Entries, line: Line) -> bool:
        """Inside the transaction. False where it waits in line from here on."""
        try:
            self.reserve(entries, ahead=line.ahead(self) if line else nobody)
        except BudgetError as exc:
            if exc.passing and self.wait_seconds > 0:
                line.join(self)
                return False
            raise
        return True

    def reserve(self, entries: Entries, *, ahead: Ahead, waited_seconds: float = 0.0) -> None:
        """One try. While it waited a new day may have begun."""
        now = self.now + timedelta(seconds=waited_seconds)
        entries.reserve(self.attempt, budgets=self.budgets, now=now, ahead=ahead)


class _Waiter(NamedTuple):
    """One that waits, since a moment of the monotonic clock."""

    order: Reserve
    since: float

    @property
    def until(self) -> float:
        """When it is refused if nothing has come."""
        return self.since + self.order.wait_seconds


class Line:
    """The reservations that wait."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._people: dict[str, _Waiter] = {}
        self._background: dict[str, _Waiter] = {}
        self._asked: Counter[tuple[bool, Budget]] = Counter()
        self._looked = 0.0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._people) + len(self._background)

    def ahead(self, order: Reserve) -> Ahead:
        """What those ask of a budget who go before a new one, in micro-dollars."""
        background = order.attempt.background

        def asked(budget: Budget) -> int:
            behind_all = self._asked[True, budget] if background else 0
            return self._asked[False, budget] + behind_all

        return asked

    def join(self, order: Reserve) -> None:
        """Let it wait."""
        side = self._background if order.attempt.background else self._people
        side[order.attempt.id] = _Waiter(order, self._now())
        self._count(order, 1)

    def leave(self, attempt_id: str) -> bool:
        """It waits no more; False where it did not wait here."""
        waiter = self._people.pop(attempt_id, None) or self._background.pop(attempt_id, None)
        if waiter is None:
            return False
        self._count(waiter.order, -1)
        return True

    def look(self, entries: Entries, answers: dict[Any, TwotierError | None]) -> None:
        """Reserve for those whose money is there now; refuse those who can no longer hope, or
        whose time is over. All others go on waiting. An answer is noted as soon as it is known: if
        the file fails at the next one, nobody may be forgotten.
        """
        ahead: Counter[Budget] = Counter()
        now = self._looked = self._now()
        for waiter in [*self._all()]:
            order = waiter.order
            try:
                order.reserve(entries, ahead=ahead.__getitem__, waited_seconds=now - waiter.since)
                answers[order] = None
            except TwotierError as exc:
                if isinstance(exc, BudgetError) and exc.passing and now < waiter.until:
                    amount = order.attempt.reserved_microusd
                    ahead.update(dict.fromkeys(order.budgets, amount))
                    continue
                answers[order] = exc
            self.leave(order.attempt.id)

    def patience_seconds(self) -> float | None:
        """After how long to look again whatever happens; None where nobody waits."""
        if not self:
            return None
        until = min(self._looked + LOOK_SECONDS, *(waiter.until for waiter in self._all()))
        return max(0.0, until - self._now())

    def clear(self) -> list[Reserve]:
        """Nobody waits any more; those who did."""
        orders = [waiter.order for waiter in self._all()]
        for side in (self._people, self._background, self._asked):
            side.clear()
        return orders

    def _all(self) -> Iterator[_Waiter]:
        return chain(self._people.values(), self._background.values())

    def _count(self, order: Reserve, sign: int) -> None:
        amount = sign * order.attempt.reserved_microusd
        for budget in order.budgets:
            self._asked[order.attempt.background, budget] += amount
