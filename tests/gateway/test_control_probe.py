"""A probe as it is ordered, before its first question."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import msgspec

from tests.ledger.toys import HandClock
from twotier.gateway.control_probe import Probing
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.matrix.probe import Order

if TYPE_CHECKING:
    from twotier.dispatch import Dispatch


def test_two_orders_that_come_together_are_one_probe() -> None:
    """Both were let in before either had begun: the second is told so, and ends nothing."""

    async def scenario() -> None:
        clock = HandClock()
        nobody = cast("Dispatch", None)  # who is refused asks no tier
        probing = Probing(nobody, Learned(Speeds(clock)), clock, asyncio.Event())
        probing.running.add("local")
        (said,) = [one async for one in probing.lines(Order("local"))]
        assert "being probed already" in msgspec.json.decode(said)["error"]["message"]
        assert probing.running == {"local"}

    asyncio.run(scenario())
