"""A cap is checked on what is really called: each try reserves for itself, whatever led to it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.ledger.test_book import until
from tests.ledger.toys import OPUS, HandClock, daily, paid, settled
from tests.test_tries import BODY, WHOLE, World, refused, upstream
from twotier import errors
from twotier.domain.message import Request, Usage
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.hold import MONEY_SECONDS_MAX, money_seconds
from twotier.ledger.book import Book
from twotier.providers.base import Ask, Reply
from twotier.providers.scripted import Line, Scripted
from twotier.router.line import Line as InLine
from twotier.slots import PATIENT, Patience, Slots

REQUEST = Request("openai_chat", BODY, "auto", text_bytes=len(BODY))


class Capped(World):
    """The two tiers of `World` under budgets; `auto` prefers the frontier."""

    async def ask(
        self,
        model: str = "auto",
        *,
        deadline: float | None = None,
        policy: TierPolicy = TierPolicy.AUTO,
    ) -> dict[str, str]:
        """The headers of an answer that was read whole."""
        caller = Caller(policy=policy, deadline_seconds=deadline)
        answer = await self.dispatch.answer(msgspec.structs.replace(REQUEST, model=model), caller)
        try:
            await answer.read()
            return dict(answer.headers)
        finally:
            await answer.close()

    @property
    def worst(self) -> int:
        """What one request at the frontier reserves."""
        named = msgspec.structs.replace(REQUEST, model="frontier")
        return self.dispatch.explain(named, Caller())[2]

    def cap(self, microusd: int, at_limit: str = "local-only") -> None:
        self.budgets = (daily(microusd, at_limit=at_limit),)
        self.__post_init__()

    async def told(self) -> list[tuple[str, str, str, str]]:
        """Every attempt so far: its id, tier and rule, and how it was settled."""
        await self.book.flush()
        with closing(sqlite3.connect(self.path)) as file:
            sql = "SELECT attempt_id, tier, rule, settled FROM usage ORDER BY attempt_id"
            return file.execute(sql).fetchall()


Story = Callable[[Capped], Awaitable[None]]


def play(
    folder: Path, story: Story, *, local: Iterable[Line] = (), frontier: Iterable[Line] = ()
) -> None:
    async def run() -> None:
        clock, path = HandClock(), folder / "ledger.db"
        book = await Book.open(path, clock=clock)
        try:
            await story(Capped(book, path, clock, Scripted(local), Scripted(frontier)))
        finally:
            await book.close()

    asyncio.run(run())


# As dear as it may be: the prompt's bound at the dearest way to read it, and the whole limit.
DEAR = msgspec.structs.replace(WHOLE, usage=Usage((len(BODY) + 1000) * 5 // 4, 4096))


def test_at_the_cap_auto_goes_on_at_the_free_tier_by_the_rule_budget(tmp_path: Path) -> None:
    """The rule stands in header and row; a request that names the frontier is refused aloud."""

    async def story(world: Capped) -> None:
        world.cap(world.worst)
        assert (await world.ask())["x-twotier-tier"] == "frontier"
        headers = await world.ask()
        assert (headers["x-twotier-tier"], headers["x-twotier-rule"]) == ("local", "budget")
        assert "frontier: budget daily: the limit of" in headers["x-twotier-fallback"]
        with pytest.raises(errors.BudgetError, match="resets at 2026-03-11") as caught:
            await world.ask("frontier")
        assert caught.value.facts["resets_at"] == "2026-03-11T00:00:00+00:00"
        assert await world.told() == [
            ("r1-0", "frontier", "default", "settled"),
            ("r2-1", "local", "budget", "settled"),
        ]

    play(tmp_path, story, local=[WHOLE], frontier=[DEAR])


def test_where_all_stops_the_free_tier_is_refused_too(tmp_path: Path) -> None:
    async def story(world: Capped) -> None:
        world.cap(world.worst, "stop")
        await world.ask()
        for model in ("auto", "local", "frontier"):
            with pytest.raises(errors.BudgetError):
                await world.ask(model)
        assert world.local.asks == []

    play(tmp_path, story, local=[WHOLE], frontier=[DEAR])


def test_where_a_limit_only_tells_all_goes_on(tmp_path: Path) -> None:
    async def story(world: Capped) -> None:
        world.cap(1, "alert")
        assert (await world.ask())["x-twotier-tier"] == "frontier"

    play(tmp_path, story, frontier=[DEAR])


def test_a_fallback_to_the_frontier_is_held_to_the_cap(tmp_path: Path) -> None:
    """It was decided for a free tier, which is down: what is called then costs money."""

    async def story(world: Capped) -> None:
        world.cap(world.worst - 1)
        with pytest.raises(errors.TierUnavailableError) as caught:
            await world.ask(policy=TierPolicy.LOCAL_THEN_FRONTIER)
        assert "frontier: budget daily: the limit of" in caught.value.message
        assert world.frontier.asks == []

    play(tmp_path, story, local=[refused()], frontier=[DEAR])


def test_a_second_try_reserves_for_itself(tmp_path: Path) -> None:
    """Void is given back in full; one that may have cost something leaves no room for another."""

    async def story(world: Capped) -> None:
        world.cap(world.worst)
        await world.ask("frontier")
        told = await world.told()
        assert told == [
            ("r1-0", "frontier", "explicit", "void"),
            ("r1-0r2", "frontier", "explicit", "settled"),
        ]
        assert len(world.frontier.asks) == 2

    play(tmp_path, story, frontier=[upstream(503), DEAR])


def test_what_a_failed_try_cost_is_gone(tmp_path: Path) -> None:
    """An answer that breaks off is charged; the free tier takes over for what is left."""

    async def story(world: Capped) -> None:
        world.cap(world.worst)
        headers = await world.ask()
        assert (headers["x-twotier-tier"], headers["x-twotier-rule"]) == ("local", "default")
        with pytest.raises(errors.BudgetError):
            await world.ask("frontier")
        assert len(world.frontier.asks) == 1

    play(tmp_path, story, local=[WHOLE], frontier=[upstream(500, started=True)])


def test_a_local_tier_with_a_price_is_held_to_the_cap(tmp_path: Path) -> None:
    """Also where its answer was cut and is asked for again: nothing is paid for twice unasked."""

    async def story(world: Capped) -> None:
        world.local_price = OPUS
        world.cap(world.worst)
        assert (await world.ask("local"))["x-twotier-tier"] == "local"
        with pytest.raises(errors.BudgetError):
            await world.ask("local")
        assert len(world.local.asks) == 1

    play(tmp_path, story, local=[DEAR, DEAR])


def test_a_budget_of_one_tier_leaves_the_others_alone(tmp_path: Path) -> None:
    async def story(world: Capped) -> None:
        world.local_price = OPUS
        world.cap(world.worst)
        world.budgets = tuple(replace(one, tier="frontier") for one in world.budgets)
        world.__post_init__()
        await world.ask("frontier")
        with pytest.raises(errors.BudgetError):
            await world.ask("frontier")
        await world.ask("local")

    play(tmp_path, story, local=[DEAR], frontier=[DEAR])


def test_no_slot_is_held_while_money_is_waited_for(tmp_path: Path) -> None:
    """Somebody who can pay uses it meanwhile."""

    async def story(world: Capped) -> None:
        world.cap(world.worst)
        far = world.dispatch.tiers["frontier"]
        slots = Slots(InLine(1, 5), far.facts, now=world.clock.monotonic, wait_seconds=60.0)
        world.dispatch.tiers["frontier"] = replace(far, slots=slots)  # type: ignore[index]
        await world.book.reserve(paid("held", world.worst), world.budgets)
        waiting = asyncio.ensure_future(world.ask("frontier"))
        await until(lambda: len(world.book._writer._line) == 1)
        assert slots.load().in_use == 0
        await world.book.settle("held", settled(0))
        assert (await waiting)["x-twotier-tier"] == "frontier"
        assert slots.load().in_use == 0

    play(tmp_path, story, frontier=[DEAR])


def test_a_slot_that_is_refused_after_the_wait_gives_the_money_back(tmp_path: Path) -> None:
    async def story(world: Capped) -> None:
        world.cap(world.worst)
        far = world.dispatch.tiers["frontier"]
        slots = Slots(InLine(1, 0), far.facts, now=world.clock.monotonic, wait_seconds=60.0)
        world.dispatch.tiers["frontier"] = replace(far, slots=slots)  # type: ignore[index]
        await world.book.reserve(paid("held", world.worst), world.budgets)
        waiting = asyncio.ensure_future(world.ask("frontier"))
        await until(lambda: len(world.book._writer._line) == 1)
        ticket = await slots.enter(paid("other", 0), PATIENT)
        await world.book.settle("held", settled(0))
        with pytest.raises(errors.QueueFullError):
            await waiting
        slots.leave(ticket, answered=True)
        (state,) = await world.book.budgets(world.budgets)
        assert (state.spent_microusd, state.reserved_microusd) == (0, 0)

    play(tmp_path, story)


def test_a_client_that_leaves_while_it_waits_for_money_leaves_nothing(tmp_path: Path) -> None:
    async def story(world: Capped) -> None:
        world.cap(world.worst)
        await world.book.reserve(paid("held", world.worst), world.budgets)
        waiting = asyncio.ensure_future(world.ask("frontier"))
        await until(lambda: len(world.book._writer._line) == 1)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        await until(lambda: len(world.book._writer._line) == 0)
        assert [row[0] for row in await world.told()] == ["held"]

    play(tmp_path, story)


class Held(Scripted):
    """Answers once everybody has come who can."""

    def __init__(self, script: Iterable[Line], count: int) -> None:
        super().__init__(script)
        self._count = count
        self._all = asyncio.Event()

    async def ask(self, ask: Ask) -> Reply:
        if len(self.asks) + 1 == self._count:
            self._all.set()
        reply = await super().ask(ask)
        await self._all.wait()
        return reply


def test_of_500_requests_at_once_exactly_20_reach_the_upstream(tmp_path: Path) -> None:
    """The cap has room for 20 of them. The others wait, and are refused when all of it is spent."""

    async def story(world: Capped) -> None:
        world.frontier = Held([DEAR] * 500, 20)
        world.cap(20 * world.worst)
        asked = (world.ask("frontier") for _ in range(500))
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert len(world.frontier.asks) == 20
        assert sum(isinstance(one, errors.BudgetError) for one in ended) == 480
        (state,) = await world.book.budgets(world.budgets)
        assert (state.spent_microusd, state.refused) == (20 * world.worst, 480)

    play(tmp_path, story)


def test_the_wait_for_money_never_takes_all_of_a_requests_time() -> None:
    assert money_seconds(PATIENT) == MONEY_SECONDS_MAX
    assert money_seconds(Patience(600.0, lambda: False)) == MONEY_SECONDS_MAX
    assert money_seconds(Patience(10.0, lambda: False)) == 8.0
