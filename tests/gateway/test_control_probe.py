"""A probe as it is ordered, before its first question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from starlette.requests import Request as HttpRequest

from tests.ledger.toys import HandClock
from twotier.errors import UnderWayError
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


class Noted(Probing):
    """A probe whose lines a test says."""

    said: list[bytes] = []  # noqa: RUF012 - one for each test, set by it

    def order(self, body: bytes) -> Order:
        """Of any tier."""
        return msgspec.json.decode(body, type=Order)

    async def lines(self, order: Order) -> AsyncGenerator[bytes]:
        """As the test wants; a defect where it says nothing."""
        for one in Noted.said:
            yield one
        if not Noted.said:
            raise RuntimeError(order.tier)


def begun(*said: dict[str, object]) -> dict[str, Any]:
    """What is told of a probe that was begun and left, once it has ended."""

    async def scenario() -> dict[str, Any]:
        Noted.said = [msgspec.json.encode(one) for one in said]
        clock = HandClock()
        nobody = cast("Dispatch", None)
        probing = Noted(nobody, Learned(Speeds(clock)), clock, asyncio.Event())

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b'{"tier":"local"}', "more_body": False}

        request = HttpRequest({"type": "http", "headers": []}, receive)
        answer = await probing.left(request)
        assert answer.status_code == 202
        with pytest.raises(UnderWayError):
            await probing.left(HttpRequest({"type": "http", "headers": []}, receive))
        running = asyncio.get_running_loop().create_task(probing.run())
        while not probing.begun["local"].ended:  # noqa: ASYNC110 - one look for a test
            await asyncio.sleep(0)
        running.cancel()
        document = await probing.listed(request)
        (told,) = msgspec.json.decode(document.body)["probes"]
        return cast("dict[str, Any]", told)

    return asyncio.run(scenario())


def test_a_probe_that_was_begun_and_left_tells_how_far_it_is() -> None:
    """Each row as it was heard last; one at a time for a tier."""
    rows: list[dict[str, object]] = [{"row": "single", "tries": 1}, {"row": "single", "tries": 2}]
    told = begun(*rows, {"row": "stop", "tries": 1}, {"probe": {}, "seconds": 4.5})
    assert told["rows"] == [{"row": "single", "tries": 2}, {"row": "stop", "tries": 1}]
    assert (told["ended"], told["failed"], told["seconds"]) == (True, "", 4.5)


def test_one_that_fails_says_why_and_ends_nothing_else() -> None:
    told = begun({"error": {"message": "local did not answer", "code": "x"}})
    assert (told["ended"], told["failed"]) == (True, "local did not answer")
    assert "its log says more" in begun()["failed"]
