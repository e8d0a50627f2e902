"""What was saved in a span, as plain values: for `twotier savings`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from twotier.domain.price import Price
from twotier.errors import NotRunningError, PriceUnknownError
from twotier.gateway.status import usd_text
from twotier.ledger.book import Book
from twotier.ledger.savings import Column, Machine, Savings, savings
from twotier.ledger.served import Look, looked_tokens

COLUMNS = {"A": "plain", "B": "fair", "C": "cheap", "D": "checks", "P": "paid"}
PARTS = ("no_model", "local", "caching", "batch", "against")


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A model by its full name, and its price; None where nobody knows one."""

    ref: str
    price: Price | None


@dataclass(frozen=True, slots=True)
class SavingsPage:
    """What is compared with what. `frontier` would have done everything; `cheap` what is done on
    this machine, None where no such model was named. `local` are the tiers of this machine. `looks`
    asks the worker, None where it does not answer.
    """

    book: Book
    frontier: Callable[[], Yardstick]
    cheap: Callable[[], Yardstick | None]
    local: frozenset[str]
    looks: Callable[[datetime, datetime], Awaitable[Sequence[Look] | None]]
    machine: Machine

    async def told(self, since: datetime, until: datetime) -> dict[str, Any]:
        """All of it. Raises `PriceUnknownError` and `LedgerError`."""
        frontier, cheap = self.frontier(), self.cheap()
        against = known(frontier)
        small = None if cheap is None else known(cheap)
        looks = await self.looks(since, until)
        served = await self.book.served(since, until, local=self.local, looks=looks or ())
        found = savings(
            served.done, frontier=against, cheap=small, probes_microusd=served.besides_microusd
        )
        busy = sum(one.seconds for one in served.done if one.local)
        span = (until - since).total_seconds()
        return {
            "frontier": frontier.ref,
            "cheap": None if cheap is None else cheap.ref,
            "looks_known": looks is not None,
            "machine_usd": usd_text(self.machine.microusd(busy_seconds=busy, span_seconds=span)),
            **figures(found),
        }

    async def quiet(self, since: datetime, until: datetime) -> dict[str, Any]:
        """What each job's looks that found nothing have saved: how many, and tokens; without
        tokens where the job has never asked a model. Raises `NotRunningError`.
        """
        looks = await self.looks(since, until)
        if looks is None:
            raise NotRunningError("the worker does not answer; `twotier status` says how it is")
        tokens = await self.book.read(partial(looked_tokens, looks=looks, until=until))
        counts: Counter[str] = Counter()
        for one in looks:
            counts[one.job] += one.count
        jobs = {job: {"looks": count, "tokens": tokens.get(job)} for job, count in counts.items()}
        return {"jobs": jobs}


def known(model: Yardstick) -> Price:
    """Its price. Raises `PriceUnknownError`."""
    if model.price is None:
        raise PriceUnknownError(
            f"no price is known for {model.ref}, with which the savings are compared; set one with"
            f" `twotier prices set {model.ref}`, or name another model in [savings]"
        )
    return model.price


def figures(found: Savings) -> dict[str, Any]:
    """The columns and the parts, money as decimal text."""
    columns: dict[str, Column | None] = {
        letter: getattr(found, name) for letter, name in COLUMNS.items()
    }
    return {
        "columns": {
            letter: {"usd": usd_text(one.microusd), "calls": one.calls, "tokens": one.tokens}
            for letter, one in columns.items()
            if one is not None
        },
        "saved_usd": usd_text(found.saved),
        "saved_percent": round(found.percent, 1),
        "parts": {name: usd_text(getattr(found, name)) for name in PARTS},
        "estimated": found.estimated,
    }
