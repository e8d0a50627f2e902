"""From the configuration to what savings are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import msgspec

from twotier.build.lookout import ask_worker
from twotier.config.load import Loaded
from twotier.config.savings import SavingsConfig
from twotier.domain.tier import TierSpec
from twotier.gateway.savings import SavingsPage, Yardstick
from twotier.ledger.book import Book
from twotier.ledger.savings import Machine
from twotier.ledger.served import Look

AGAINST = "anthropic/claude-opus-4-6"


class Answer(msgspec.Struct):
    """What the worker says of looks that found nothing."""

    looks: list[Look]


def savings_page(
    loaded: Loaded,
    specs: Sequence[TierSpec],
    *,
    book: Book,
    price: Callable[[str], Yardstick],
) -> SavingsPage:
    """`price` finds today's price of a model by its full name."""
    config: SavingsConfig = loaded.config.savings
    paid = (spec.ref for spec in specs if spec.price is not None and not spec.price.free)
    against = config.against or next(paid, AGAINST)
    return SavingsPage(
        book,
        frontier=partial(price, against),
        cheap=lambda: price(config.cheap) if config.cheap else None,
        local=frozenset(spec.name for spec in specs if spec.local),
        looks=lambda since, until: looks_of(loaded, since, until=until),
        machine=Machine(
            config.watts, float(config.price_per_kwh), float(config.machine_price), config.years
        ),
    )


async def looks_of(loaded: Loaded, since: datetime, *, until: datetime) -> list[Look] | None:
    """Looks that found nothing in this span; None where the worker does not answer."""
    query = {"since": since.isoformat(), "until": until.isoformat()}
    told = await ask_worker(loaded.paths.worker_socket, "/looks", kind=Answer, query=query)
    return None if told is None else told.looks
