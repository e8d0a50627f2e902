"""A probe as it is ordered, before its first question."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from tests.ledger.toys import HandClock
from twotier.attempts import new_ids
from twotier.dispatch import Dispatch
from twotier.domain.money import FREE
from twotier.exchange import Ground
from twotier.gateway.control_probe import Probing
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.ledger.book import Book
from twotier.matrix.probe import Order
from twotier.router.breaker import Breakers
from twotier.router.caching import Caches
from twotier.router.names import Names
from twotier.router.retry import RetryBudget
from twotier.router.tree import Router
from twotier.tries import Remedy


def test_two_orders_that_come_together_are_one_probe(tmp_path: Path) -> None:
    """Both were let in before either had begun: the second is told so, and ends nothing."""

    async def scenario() -> None:
        clock = HandClock()
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        dispatch = Dispatch(
            {},
            router=Router(Names([], {}, lambda _provider, _model: False)),
            price=lambda _provider, _model, _day: FREE,
            ground=Ground(book, (), clock, ()),
            new_id=new_ids(),
            remedy=Remedy(Breakers(), RetryBudget(), lambda: 0.0),
            caches=Caches(),
        )
        probing = Probing(dispatch, Learned(Speeds(clock)), clock, asyncio.Event())
        probing.running.add("local")
        (said,) = [one async for one in probing.lines(Order("local"))]
        assert "being probed already" in msgspec.json.decode(said)["error"]["message"]
        assert probing.running == {"local"}
        await book.close()

    asyncio.run(scenario())
