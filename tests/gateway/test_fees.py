"""What the worker pays beside tokens goes through the book: held before, settled after, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.jobs.making import HandClock
from tests.watch.booking_main import Booking, booking_main
from twotier.domain.fee import Use
from twotier.domain.money import Budget
from twotier.errors import FeeError, NotRunningError, UpstreamError

USE = Use("x-scan:1", "x-scan", "x", "post_read", 20)
Story = Callable[[Booking], Awaitable[None]]


def play(story: Story, folder: Path, *budgets: Budget) -> None:
    """Main with its ledger, and the worker's way to it."""

    async def scenario() -> None:
        async with booking_main(folder, HandClock(), budgets=budgets) as booking:
            await story(booking)

    asyncio.run(scenario())


def other(key: str, *, job: str = "x-scan", count: int = 20) -> Use:
    """Another use."""
    return Use(key, job, "x", "post_read", count)


def test_a_use_is_held_and_settled_once(tmp_path: Path) -> None:
    """The same order again, as after a lost answer, changes nothing."""

    async def story(main: Booking) -> None:
        await main.fees.hold(USE)
        await main.fees.hold(USE)
        assert await main.rows() == [("x-scan", "open", 100_000, 0)]
        await main.fees.settle(USE, 7)
        await main.fees.settle(USE, 9)
        await main.fees.hold(USE)
        assert await main.rows() == [("x-scan", "settled", 100_000, 35_000)]

    play(story, tmp_path)


def test_it_never_comes_to_more_than_was_held(tmp_path: Path) -> None:
    """A bound is a bound, and nothing is given back that was never paid."""

    async def story(main: Booking) -> None:
        for key, count in (("a", 1_000), ("b", -5)):
            await main.fees.hold(other(key))
            await main.fees.settle(other(key), count)
        assert [cost for *_, cost in await main.rows()] == [100_000, 0]

    play(story, tmp_path)


def test_what_was_cut_off_is_charged_in_full_when_its_job_goes_on(tmp_path: Path) -> None:
    """A worker that was killed in between tells nobody what it read."""

    async def story(main: Booking) -> None:
        await main.fees.hold(USE)
        await main.fees.hold(other("y", job="another"))
        await main.fees.hold(other("x-scan:2"))
        assert await main.rows() == [
            ("x-scan", "unknown", 100_000, 100_000),
            ("another", "open", 100_000, 0),
            ("x-scan", "open", 100_000, 0),
        ]
        await main.fees.settle(USE, 1)  # too late

    play(story, tmp_path)


def test_a_budget_refuses_and_an_unknown_price_too(tmp_path: Path) -> None:
    """With the ledger's own sentence."""
    daily = Budget("day", "day", "UTC", limit_microusd=150_000)

    async def story(main: Booking) -> None:
        await main.fees.hold(USE)
        with pytest.raises(FeeError, match=r"budget day: the limit of \$0.15"):
            await main.fees.hold(other("z", job="another"))
        with pytest.raises(FeeError, match=r'set "x/dance" in \[unit_prices\]'):
            await main.fees.hold(Use("d", "j", "x", "dance", 1))
        await main.fees.settle(USE, 2)
        await main.fees.hold(other("z", job="another"))

    play(story, tmp_path, daily)


def test_what_is_no_use_is_refused(tmp_path: Path) -> None:
    """And what was never held cannot be settled."""

    async def story(main: Booking) -> None:
        with pytest.raises(FeeError, match="is not held"):
            await main.fees.settle(other("never"), 1)
        for count in (0, 10**9):
            with pytest.raises(FeeError, match="a key and a count"):
                await main.fees.hold(other("k", count=count))
        with pytest.raises(UpstreamError, match="not a use"):
            await main.client.order("/control/fees", {"key": 1})
        assert await main.rows() == []

    play(story, tmp_path)


def test_fees_are_told_as_fees(tmp_path: Path) -> None:
    """`spend` shows them under the provider's name, and counts no request."""

    async def story(main: Booking) -> None:
        await main.fees.hold(USE)
        await main.fees.settle(USE, 4)
        clock = HandClock()
        since, until = clock.now().replace(hour=0), clock.now().replace(hour=23)
        (row,) = await main.book.spend(since=since, until=until)
        assert (row.key, row.cost_microusd, row.fees_microusd) == ("x", 20_000, 20_000)
        assert (row.requests, row.attempts) == (0, 1)

    play(story, tmp_path)


def test_main_has_gone(tmp_path: Path) -> None:
    """That is no refusal: the run goes on with the next main."""

    async def scenario() -> None:
        async with booking_main(tmp_path, HandClock()) as main:
            (tmp_path / "fees.sock").unlink()
            with pytest.raises(NotRunningError):
                await main.fees.hold(USE)

    asyncio.run(scenario())
