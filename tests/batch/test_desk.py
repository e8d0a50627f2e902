"""Batches from a question to its answer: the real path, ledger and wire, against the fake API."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from bench.decision import spec
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.anthropic_batches import Fault
from twotier.answers import Answers, Bounds
from twotier.attempts import new_ids
from twotier.batch.desk import Desk
from twotier.dispatch import Dispatch
from twotier.domain.money import Attempt, Budget, Price, Settlement
from twotier.domain.task import Caller
from twotier.domain.tier import TierFacts, TierPolicy, TierState
from twotier.errors import BudgetError, UpstreamError
from twotier.exchange import Ground, Tier
from twotier.ledger.book import Book
from twotier.ledger.shipped import shipped_prices
from twotier.protocols import INBOUND
from twotier.providers.anthropic import Anthropic
from twotier.providers.anthropic_batches import AnthropicBatches
from twotier.providers.http import Transport
from twotier.providers.scripted import Scripted
from twotier.router.breaker import Breakers
from twotier.router.names import Names
from twotier.router.retry import RetryBudget
from twotier.router.tree import Router
from twotier.tries import Remedy

MODEL = "claude-opus-4-6"
CALLER = Caller(
    private=True,
    client="worker",
    job="brief",
    run="brief-1",
    step="all:1",
    policy=TierPolicy.FRONTIER,
    deadline_seconds=7_200.0,
    batch=True,
)
DAY = 86_400.0


@dataclass
class LeapClock:
    """The real clock, with leaps."""

    leapt: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.leapt)

    def monotonic(self) -> float:
        return time.monotonic() + self.leapt

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class World:
    """One life of main, as far as batches go."""

    folder: Path
    fake: FakeAnthropic
    clock: LeapClock
    dispatch: Dispatch
    local: Scripted
    told: list[tuple[Attempt, Settlement]] = field(default_factory=list)

    async def ask(self, text: str = "say: fine", **changes: Any) -> tuple[str, str]:
        """What the header says of a batch, and the text of the answer."""
        body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": text}]})
        request = INBOUND["openai_chat"].read_request(body.encode())
        answer = await self.dispatch.answer(request, changed(CALLER, **changes))
        try:
            raw = json.loads(await answer.read())
            said = raw["choices"][0]["message"]["content"] if "choices" in raw else raw["state"]
            assert await answer.read() == b""
            assert answer.whole() is ("choices" in raw)
            return answer.headers.get("x-twotier-batch", ""), said
        finally:
            await answer.close()

    async def answered(self, text: str = "say: fine", **changes: Any) -> tuple[str, str]:
        """Ask until it does not wait any more."""
        async with asyncio.timeout(60):
            while (said := await self.ask(text, **changes))[0] == "waits":  # noqa: ASYNC110 - as a worker does
                await asyncio.sleep(0.01)
            return said

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not happened():  # noqa: ASYNC110 - what others do is looked at from outside
                await asyncio.sleep(0.01)

    @property
    def waiting(self) -> int:
        return len(self.dispatch.desk.told())

    async def rows(self) -> list[tuple[str, str, int]]:
        """Every attempt: its id, how it was settled, and what it cost or holds."""
        await self.dispatch._ground.book.flush()
        sql = (
            "SELECT attempt_id, settled, iif(settled = 'open', reserved_microusd, cost_microusd)"
            " FROM usage ORDER BY created_ms, attempt_id"
        )
        with closing(sqlite3.connect(self.folder / "ledger.db")) as file:
            return file.execute(sql).fetchall()

    async def states(self) -> list[str]:
        return [settled for _, settled, _ in await self.rows()]

    async def cost(self) -> int:
        return sum(microusd for _, settled, microusd in await self.rows() if settled != "open")


@pytest.fixture
def fake() -> Iterator[FakeAnthropic]:
    with FakeAnthropic() as fake:
        yield fake


def priced(clock: LeapClock) -> Price:
    price = shipped_prices().price("anthropic", MODEL, on=clock.now().date())
    assert price is not None
    return price


@asynccontextmanager
async def life(
    folder: Path,
    fake: FakeAnthropic,
    *,
    clock: LeapClock | None = None,
    budgets: Sequence[Budget] = (),
    price: Price | None = None,
    lost_seconds: float = 180.0,
    batches: bool = True,
) -> AsyncIterator[World]:
    """From a start to an end that finishes nothing."""
    clock = clock or LeapClock()
    book = await Book.open(folder / "ledger.db", clock=clock)
    try:
        async with Transport() as transport, asyncio.TaskGroup() as group:
            at: dict[str, Any] = {"base_url": fake.base_url, "key": lambda: fake.key}
            price = price or priced(clock)
            far = replace(
                spec("frontier", local=False),
                provider="anthropic",
                model=MODEL,
                model_upstream=MODEL,
                dialect="anthropic_messages",
                price=price,
                stream_always=True,
                batches=True,
            )
            near, local = spec("local", local=True), Scripted([])
            tiers = {
                "local": Tier(near, local, lambda: TierFacts("local", TierState.READY)),
                "frontier": Tier(
                    far,
                    Anthropic(transport, **at),
                    lambda: TierFacts("frontier", TierState.READY),
                    batches=AnthropicBatches(transport, **at) if batches else None,
                ),
            }
            told: list[tuple[Attempt, Settlement]] = []
            ground = Ground(book, budgets, clock, [lambda one, end: told.append((one, end))])
            dispatch = Dispatch(
                tiers,
                router=Router(Names([near, far], {}, lambda _provider, _model: False)),
                price=lambda _provider, _model, _day: price,
                ground=ground,
                new_id=new_ids(),
                remedy=Remedy(Breakers(), RetryBudget(), lambda: 0.0),
            )
            desk = Desk(tiers, ground, lost_seconds=lost_seconds, pause=lambda _: 0.02)
            desk.kept = Answers(folder / "batches.db", Bounds(DAY, 10, 10**6), clock=clock)
            dispatch.desk = desk
            running = group.create_task(desk.run())
            yield World(folder, fake, clock, dispatch, local, told)
            running.cancel()
    finally:
        await book.close()


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


def test_a_batch_is_waited_for_without_holding_anything_and_costs_half(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """Asked again it says wait; then the answer, as often as it is asked; paid once, at half."""

    async def story() -> None:
        async with life(tmp_path, fake) as world:
            fake.batches.holds = True
            assert await world.ask() == ("waits", "waits")
            assert await world.ask() == ("waits", "waits")
            (item,) = world.dispatch.desk.told()
            assert (item["job"], item["run"], item["state"]) == ("brief", "brief-1", "sent")
            assert (await world.states(), fake.bill) == (["open"], [])
            fake.batches.holds = False
            assert await world.answered() == ("done", "fine")
            assert await world.ask() == ("done", "fine")
            assert (len(fake.batches.made), len(fake.bodies), world.waiting) == (1, 0, 0)
            assert await world.states() == ["settled"]
            assert await world.cost() == fake.billed_microusd > 0
            assert fake.bill[0].batch
            assert [end.usage.mode for _, end in world.told] == ["batch"]
            (body,) = fake.batches.made[0].requests
            assert not body["params"].get("stream")
            assert (tmp_path / "batches.db").stat().st_mode & 0o077 == 0

    play(story)


def test_a_death_in_between_charges_nothing_and_the_next_life_takes_it_up(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """The row stays open under its reservation; the same question is attached to the same batch."""

    async def story() -> None:
        fake.batches.holds = True
        async with life(tmp_path, fake) as world:
            await world.ask()
            held = await world.rows()
        async with life(tmp_path, fake) as world:
            assert await world.ask() == ("waits", "waits")
            assert await world.rows() == held
            assert world.dispatch._ground.book.recovered == 0
            fake.batches.holds = False
            assert await world.answered() == ("done", "fine")
        async with life(tmp_path, fake) as world:  # and dies again before the worker has stored it
            assert await world.ask() == ("done", "fine")
            assert (len(fake.batches.made), len(fake.bill)) == (1, 1)
            assert await world.cost() == fake.billed_microusd

    play(story)


def test_a_settlement_that_was_lost_is_made_up_for(tmp_path: Path, fake: FakeAnthropic) -> None:
    """Its end is on disk and its row still open: it is read once more and settled once."""

    async def story() -> None:
        async with life(tmp_path, fake) as world:
            await world.ask()
            await world.until(lambda: not world.waiting)
            paid = await world.rows()
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as file, file:
            file.execute("UPDATE usage SET settled = 'open', cost_microusd = 0")
        async with life(tmp_path, fake) as world:
            assert await world.answered() == ("done", "fine")
            assert await world.rows() == paid

    play(story)


@pytest.mark.parametrize("dies", [False, True])
def test_a_submission_whose_answer_was_lost_is_found_by_its_result(
    tmp_path: Path, fake: FakeAnthropic, dies: bool
) -> None:
    """A list names no requests, so batches of that time are read; others' are left alone."""

    async def story() -> None:
        fake.batches.queue(Fault.LOST)
        fake.batches.add_foreign()
        fake.batches.holds = True
        async with life(tmp_path, fake, lost_seconds=0.0) as world:
            assert await world.ask() == ("waits", "waits")
            assert world.dispatch.desk.told()[0]["state"] == "unsure"
            if not dies:
                fake.batches.holds = False
                assert await world.answered() == ("done", "fine")
        fake.batches.holds = False
        fake.batches.add_foreign()
        async with life(tmp_path, fake, lost_seconds=0.0) as world:
            assert await world.answered() == ("done", "fine")
            assert [one.id for one in fake.batches.made if "fake" in one.id] == [
                "msgbatch_fake0001"
            ]
            assert await world.cost() == fake.billed_microusd > 0

    play(story)


def test_one_that_was_never_taken_is_let_go_and_asked_anew(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """529 says nothing of whether it was; once the list has been looked at, it does."""

    async def story() -> None:
        fake.batches.queue(Fault.BUSY)
        async with life(tmp_path, fake, lost_seconds=0.0) as world:
            assert await world.answered() == ("done", "fine")
            assert sorted(await world.states()) == ["settled", "void"]
            assert await world.cost() == fake.billed_microusd > 0

    play(story)


def test_where_batches_are_refused_it_is_asked_as_usual(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """In the same call; the attempt that was refused costs nothing."""

    async def story() -> None:
        fake.batches.queue(Fault.REFUSED)
        async with life(tmp_path, fake) as world:
            assert await world.ask() == ("", "fine")
            assert sorted(await world.states()) == ["settled", "void"]
            assert (len(fake.bodies), await world.cost()) == (1, fake.billed_microusd)

    play(story)


@pytest.mark.parametrize(("fault", "status"), [(Fault.ERRORED, 400), (Fault.OVERLOADED, 529)])
def test_an_error_is_told_once_and_nothing_is_paid(
    tmp_path: Path, fake: FakeAnthropic, fault: Fault, status: int
) -> None:
    """With the provider's own status and words; the same question then is a new one."""

    async def story() -> None:
        fake.batches.queue(fault)
        async with life(tmp_path, fake) as world:
            with pytest.raises(UpstreamError) as caught:
                await world.answered()
            assert caught.value.upstream_status == status
            assert await world.states() == ["void"]
            assert await world.answered() == ("done", "fine")
            assert await world.cost() == fake.billed_microusd > 0

    play(story)


def test_an_expired_batch_is_paid_by_nobody_and_asked_anew(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    async def story() -> None:
        fake.batches.queue(Fault.EXPIRED)
        async with life(tmp_path, fake) as world:
            assert await world.answered() == ("done", "fine")
            assert sorted(await world.states()) == ["settled", "void"]
            assert await world.cost() == fake.billed_microusd

    play(story)


def test_before_its_deadline_a_batch_is_cancelled_and_asked_as_usual(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """Not while it still may be answered: the usual way is only taken when it has ended."""

    async def story() -> None:
        fake.batches.holds = True
        async with life(tmp_path, fake) as world:
            await world.ask()
            world.clock.leapt += CALLER.deadline_seconds - 800  # type: ignore[operator]
            assert await world.answered(deadline_seconds=790.0) == ("", "fine")
            (batch,) = fake.batches.made
            assert batch.cancelled_at is not None
            assert sorted(await world.states()) == ["settled", "void"]
            assert (len(fake.bodies), await world.cost()) == (1, fake.billed_microusd)

    play(story)


def test_a_run_that_is_over_lets_its_batch_go(tmp_path: Path, fake: FakeAnthropic) -> None:
    """And only its own; an answer that was fetched is forgotten with it."""

    async def story() -> None:
        async with life(tmp_path, fake) as world:
            assert (await world.answered(step="all:0"))[0] == "done"
            fake.batches.holds = True
            await world.ask()
            await world.ask(run="brief-2")
            assert world.dispatch.desk.give_up("brief-1") == 1
            await world.until(lambda: world.waiting == 1)
            assert sorted(await world.states()) == ["open", "settled", "void"]
            assert len(await world.dispatch._ground.book.batches()) == 2
            assert await world.ask(step="all:0") == ("waits", "waits")

    play(story)


def test_what_nobody_asks_for_is_settled_and_kept_for_a_day(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """As when its job was removed."""

    async def story() -> None:
        clock = LeapClock()
        async with life(tmp_path, fake, clock=clock) as world:
            await world.ask()
            await world.until(lambda: not world.waiting)
            assert await world.cost() == fake.billed_microusd > 0
        clock.leapt += DAY + 60
        async with life(tmp_path, fake, clock=clock) as world:
            async with asyncio.timeout(60):
                while await world.dispatch._ground.book.batches():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)

    play(story)


def test_another_question_of_the_same_step_is_a_new_one(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """The job was changed meanwhile: what it asked before is cancelled."""

    async def story() -> None:
        fake.batches.holds = True
        async with life(tmp_path, fake) as world:
            await world.ask()
            await world.ask("say: other")
            await world.until(lambda: world.waiting == 1)
            fake.batches.holds = False
            assert await world.answered("say: other") == ("done", "other")
            assert sorted(await world.states()) == ["settled", "void"]
            assert await world.cost() == fake.billed_microusd

    play(story)


def test_a_batch_that_its_provider_forgot_is_charged_in_full(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    async def story() -> None:
        fake.batches.holds = True
        async with life(tmp_path, fake) as world:
            await world.ask()
            (held,) = await world.rows()
            fake.batches.made.clear()
            with pytest.raises(UpstreamError, match="does not know"):
                await world.answered()
            assert await world.rows() == [(held[0], "unknown", held[2])]

    play(story)


def test_work_without_time_a_price_or_a_frontier_does_not_wait(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    async def story() -> None:
        async with life(tmp_path, fake) as world:
            assert await world.ask(deadline_seconds=1_700.0) == ("", "fine")
            assert await world.ask(batch=False) == ("", "fine")
        price = replace(priced(LeapClock()), modes=())
        async with life(tmp_path, fake, price=price) as world:
            assert await world.ask() == ("", "fine")
            assert fake.batches.made == []

    play(story)


def test_a_budget_refuses_a_batch_as_it_does_all_else(tmp_path: Path, fake: FakeAnthropic) -> None:
    async def story() -> None:
        budget = Budget("day", "day", "UTC", limit_microusd=1, at_limit="stop")
        async with life(tmp_path, fake, budgets=[budget]) as world:
            with pytest.raises(BudgetError):
                await world.ask()
            assert (fake.batches.made, fake.bodies, await world.rows()) == ([], [], [])
            assert await world.dispatch._ground.book.batches() == []

    play(story)


def test_without_its_tier_a_batch_is_kept_and_charged_in_full_at_last(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """A tier that is taken out may come back; as long as results are kept, nothing is given up."""

    async def story() -> None:
        clock = LeapClock()
        fake.batches.holds = True
        async with life(tmp_path, fake, clock=clock) as world:
            await world.ask()
            (held,) = await world.rows()
        async with life(tmp_path, fake, clock=clock, batches=False) as world:
            await world.until(lambda: world.waiting == 1)
            await asyncio.sleep(0.1)
            assert await world.rows() == [held]
        clock.leapt += 30 * DAY
        async with life(tmp_path, fake, clock=clock, batches=False) as world:
            async with asyncio.timeout(60):
                while await world.dispatch._ground.book.batches():  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
            assert await world.rows() == [(held[0], "unknown", held[2])]

    play(story)


def forget_answers(folder: Path) -> None:
    """As if their file had been removed."""
    for path in folder.glob("batches.db*"):
        path.unlink()


def test_an_answer_that_was_not_kept_is_read_once_more(tmp_path: Path, fake: FakeAnthropic) -> None:
    """Its file was lost; nothing is asked or paid again."""

    async def story() -> None:
        async with life(tmp_path, fake) as world:
            assert (await world.answered())[0] == "done"
        forget_answers(tmp_path)
        async with life(tmp_path, fake) as world:
            assert await world.ask() == ("waits", "waits")
            assert await world.answered() == ("done", "fine")
            assert (len(fake.bill), await world.states()) == (1, ["settled"])
            assert await world.cost() == fake.billed_microusd

    play(story)


def test_a_reservation_that_was_not_made_leaves_nothing(
    tmp_path: Path, fake: FakeAnthropic
) -> None:
    """Killed between the two rows: nothing was sent, so nothing is looked for."""

    async def story() -> None:
        fake.batches.holds = True
        async with life(tmp_path, fake) as world:
            await world.ask()
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as file, file:
            file.execute("DELETE FROM usage")
        async with life(tmp_path, fake) as world:
            assert await world.ask(run="other") == ("waits", "waits")
            assert [one["run"] for one in world.dispatch.desk.told()] == ["other"]

    play(story)


@pytest.mark.parametrize("calls", range(1, 7))
def test_wherever_it_dies_it_is_sent_once_and_paid_once(
    tmp_path: Path, fake: FakeAnthropic, calls: int
) -> None:
    """Each life ends at its so-many-th call to the provider, in the midst of whatever it does."""

    async def dies() -> None:
        until = fake._requests + calls
        async with life(tmp_path, fake) as world, asyncio.TaskGroup() as group:
            asking = group.create_task(world.answered())
            await world.until(lambda: fake._requests >= until or asking.done())
            asking.cancel()

    async def story() -> None:
        for _ in range(3):
            await dies()
        # What was cut off before the provider had read it is sent again, once that is certain.
        async with life(tmp_path, fake, lost_seconds=1.0) as world:
            assert await world.answered() == ("done", "fine")
            assert (len(fake.batches.made), len(fake.bill), len(fake.bodies)) == (1, 1, 0)
            assert [one for one in await world.states() if one != "void"] == ["settled"]
            assert await world.cost() == fake.billed_microusd > 0

    play(story)
