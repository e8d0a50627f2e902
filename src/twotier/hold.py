"""What one attempt holds before it asks: a slot of its tier, and money where any is at stake.

The slot comes first, so that nothing is reserved for a request that only stands in line. But where
all that is missing is money that others hold, no slot is held for the wait: it goes to somebody who
can use it, and is asked for again when the money is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twotier.domain.money import Attempt, Budget
from twotier.errors import BudgetError
from twotier.ledger.book import Book
from twotier.router.line import Ticket
from twotier.slots import WAIT_SHARE, Patience, Slots

MONEY_SECONDS_MAX = 30.0


class Hold:
    """Use: `take`, and `leave` always. `slots` is None where none are needed.

    `row`: the ledger has a row of it, or is to have one. `waited_seconds` in line for a slot.
    """

    def __init__(
        self, attempt: Attempt, slots: Slots | None, *, book: Book, monotonic: Callable[[], float]
    ) -> None:
        self.row = attempt.price.free  # a row of a free tier is written at the end, and always
        self.waited_seconds = 0.0
        self._attempt = attempt
        self._slots = slots
        self._book = book
        self._monotonic = monotonic
        self._ticket: Ticket | None = None

    async def take(self, budgets: Sequence[Budget], patience: Patience) -> None:
        """All of it, or an error. Raises `QueueFullError`, `TierUnavailableError`, `BudgetError`
        and `LedgerError`.
        """
        await self._enter(patience)
        if self._attempt.price.free:
            if budgets:
                await self._book.check(self._attempt, budgets)
            return
        seconds = money_seconds(patience)
        try:
            await self._reserve(budgets, 0.0 if self._ticket else seconds)
        except BudgetError as exc:
            if self._ticket is None or not exc.passing:
                raise
            self.leave(answered=False)
            await self._reserve(budgets, seconds)
            await self._enter(patience)

    def leave(self, *, answered: bool) -> None:
        """Give the slot back; harmless where there is none."""
        if self._ticket is not None and self._slots is not None:
            self._slots.leave(self._ticket, answered=answered)
            self._ticket = None

    async def _enter(self, patience: Patience) -> None:
        if self._slots is not None:
            began = self._monotonic()
            self._ticket = await self._slots.enter(self._attempt, patience)
            self.waited_seconds += self._ticket.since - began

    async def _reserve(self, budgets: Sequence[Budget], seconds: float) -> None:
        await self._book.reserve(self._attempt, budgets, wait_seconds=seconds)
        self.row = True


def money_seconds(patience: Patience) -> float:
    """How long money is waited for that others hold: never all of a request's time."""
    if patience.seconds is None:
        return MONEY_SECONDS_MAX
    return min(MONEY_SECONDS_MAX, patience.seconds * WAIT_SHARE)
