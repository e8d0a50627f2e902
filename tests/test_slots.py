"""Waiting for a slot: given in turn, given back once, and given up by whoever leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial

import msgspec
import pytest

from tests.ledger.toys import HandClock, free
from twotier.domain.tier import Load, TierFacts, TierState
from twotier.errors import QueueFullError, TierUnavailableError
from twotier.router.line import Line, Ticket
from twotier.slots import RETRY_AFTER_SECONDS_MAX, Patience, Slots

READY = TierFacts("local", TierState.READY)


class World:
    """Slots, and the state of the server behind them."""

    def __init__(self, slots: int = 1, *, waiting_max: int = 8, wait_seconds: float = 60.0) -> None:
        self.clock = HandClock()
        self.facts = READY
        self.elsewhere = False
        self.slots = Slots(
            Line(slots, waiting_max),
            lambda: self.facts,
            now=self.clock.monotonic,
            wait_seconds=wait_seconds,
        )

    async def enter(
        self, client: str = "a", *, job: str = "", seconds: float | None = None
    ) -> Ticket:
        """A slot for a request."""
        attempt = free("one", client=client, job=job)
        attempt = msgspec.structs.replace(attempt, background=bool(job))
        return await self.slots.enter(attempt, Patience(seconds, lambda: self.elsewhere))

    async def waiting(
        self, client: str = "a", *, job: str = "", seconds: float | None = None
    ) -> asyncio.Task[Ticket]:
        """A request that has joined the line, as a task."""
        task = asyncio.create_task(self.enter(client, job=job, seconds=seconds))
        await asyncio.sleep(0)
        return task

    @property
    def load(self) -> tuple[int, int]:
        """Slots taken, requests waiting."""
        load = self.slots.load()
        return load.in_use, load.waiting


def play(story: Callable[[], Coroutine[None, None, None]]) -> None:
    """In a loop of its own, which forgets no task and no failure."""
    troubles: list[object] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: troubles.append(told))
        await story()

    asyncio.run(watched())
    assert not troubles


async def gone(task: Awaitable[object]) -> None:
    """It was cancelled."""
    with pytest.raises(asyncio.CancelledError):
        await task


def test_who_waits_is_let_in_when_a_slot_is_given_back() -> None:
    async def story() -> None:
        world = World()
        first = await world.enter()
        second = await world.waiting()
        assert world.load == (1, 1)
        world.slots.leave(first, answered=True)
        assert world.load == (1, 0)
        world.slots.leave(await second, answered=True)
        assert world.load == (0, 0)

    play(story)


def test_a_free_slot_takes_no_timer_and_no_turn_of_the_loop() -> None:
    """The coroutine ends without ever having waited."""
    world = World()
    entering = world.enter()
    with pytest.raises(StopIteration) as ended:
        entering.send(None)
    assert ended.value.value.client == "a"


def test_jobs_have_their_turns_by_their_names_behind_everybody_else() -> None:
    async def story() -> None:
        world = World()
        holder = await world.enter()
        order: list[str] = []
        names = [("worker", "brief"), ("worker", "brief"), ("worker", "mail"), ("me", "")]
        tasks = [await world.waiting(client, job=job) for client, job in names]
        while tasks:
            world.slots.leave(holder, answered=True)
            await asyncio.sleep(0)
            done = next(task for task in tasks if task.done())
            tasks.remove(done)
            holder = await done
            order.append(holder.client)
        assert order == ["me", "brief", "mail", "brief"]

    play(story)


def test_one_who_leaves_gives_up_the_place() -> None:
    async def story() -> None:
        world = World()
        holder = await world.enter()
        leaving, staying = await world.waiting(), await world.waiting()
        leaving.cancel()
        await gone(leaving)
        assert world.load == (1, 1)
        world.slots.leave(holder, answered=True)
        await staying
        assert world.load == (1, 0)

    play(story)


@pytest.mark.parametrize("leaves_first", [True, False])
def test_a_slot_that_comes_in_the_moment_of_leaving_goes_on_to_the_next(leaves_first: bool) -> None:
    """Both happen before the one who waits can run: in either order nothing is lost."""

    async def story() -> None:
        world = World()
        holder = await world.enter()
        leaving, staying = await world.waiting(), await world.waiting()
        if leaves_first:
            leaving.cancel()
        world.slots.leave(holder, answered=True)
        if not leaves_first:
            leaving.cancel()
        await gone(leaving)
        await staying
        assert world.load == (1, 0)

    play(story)


def test_a_wait_has_an_end() -> None:
    """Its own deadline, else the tier's limit; the place is free again."""

    async def story() -> None:
        world = World(wait_seconds=0.0)
        holder = await world.enter()
        with pytest.raises(QueueFullError, match=r"no slot was free within 0 s \(1 of 1"):
            await world.enter()
        patient = await world.waiting(seconds=60.0)
        assert world.load == (1, 1)
        world.slots.leave(holder, answered=True)
        await patient

    play(story)


def test_a_slot_that_comes_as_the_time_ends_is_taken() -> None:
    """The timer has ended the wait, and before that is heard the slot comes: it is not wasted."""

    async def story() -> None:
        world = World()
        holder = await world.enter()
        late = await world.waiting(seconds=0.0)
        leave = partial(world.slots.leave, holder, answered=True)
        asyncio.get_running_loop().call_soon(leave)
        await late
        assert world.load == (1, 0)

    play(story)


def test_a_full_line_says_when_to_come_back() -> None:
    async def story() -> None:
        world = World(waiting_max=1)
        holder = await world.enter()
        world.clock.turn(1000.0)
        world.slots.leave(holder, answered=True)
        holder = await world.enter()
        waiting = await world.waiting("a")
        with pytest.raises(QueueFullError) as full:
            await world.enter("b")
        assert full.value.status == 429
        assert full.value.retry_after_seconds == RETRY_AFTER_SECONDS_MAX
        assert "1 of 1 slots taken, 1 waiting" in full.value.message
        world.slots.leave(holder, answered=True)
        await waiting

    play(story)


def test_a_job_in_line_makes_room_for_somebody_at_a_keyboard() -> None:
    async def story() -> None:
        world = World(waiting_max=1)
        holder = await world.enter()
        job = await world.waiting("worker", job="brief")
        me = await world.waiting("me")
        with pytest.raises(QueueFullError, match="others go before"):
            await job
        world.slots.leave(holder, answered=True)
        await me

    play(story)


def test_one_who_is_put_out_while_leaving_leaves_quietly() -> None:
    async def story() -> None:
        world = World(waiting_max=1)
        holder = await world.enter()
        job = await world.waiting("worker", job="brief")
        job.cancel()
        me = await world.waiting("me")
        await gone(job)
        world.slots.leave(holder, answered=True)
        await me
        assert world.load == (1, 0)

    play(story)


def test_a_full_line_of_a_server_that_does_not_run_is_an_outage() -> None:
    """503 with the keeper's sentence: nobody is too fast, it is down."""

    async def story() -> None:
        world = World(waiting_max=0)
        await world.enter()
        world.facts = TierFacts("local", TierState.COMING_UP, "loading for 9 s")
        with pytest.raises(TierUnavailableError, match="not ready: loading for 9 s") as down:
            await world.enter()
        assert down.value.status == 503
        world.facts = TierFacts("local", TierState.DOWN)
        with pytest.raises(TierUnavailableError, match="not ready: down"):
            await world.enter()

    play(story)


def test_the_load_is_told_where_one_would_have_to_wait() -> None:
    async def story() -> None:
        world = World(2, waiting_max=0)
        assert world.slots.told() is READY
        await world.enter()
        assert world.slots.told() is READY
        assert world.slots.wait_seconds() == 0.0
        await world.enter()
        assert world.slots.told().load == Load(2, 2, 2, 0, full=True)
        assert world.slots.wait_seconds() > 0.0

    play(story)


def test_a_server_that_died_is_given_one_request_at_first() -> None:
    async def story() -> None:
        world = World(2)
        world.slots.fallen()
        first = await world.enter()
        second = await world.waiting()
        assert world.slots.load() == Load(2, 1, 1, 1, full=False)
        world.slots.leave(first, answered=True)
        await second
        await world.enter()
        assert world.load == (2, 0)

    play(story)


def test_a_server_that_died_is_not_waited_for_where_another_tier_is_ready() -> None:
    """Whoever can go on does so at once, and whoever cannot keeps the place in line."""

    async def story() -> None:
        world = World()
        holder = await world.enter()
        staying = await world.waiting()
        world.slots.fallen()
        assert world.load == (1, 1)
        world.elsewhere = True
        world.facts = TierFacts("local", TierState.COMING_UP, "starting again in 1 s")
        world.slots.fallen()
        with pytest.raises(TierUnavailableError, match="starting again in 1 s; another tier is"):
            await staying
        assert world.load == (1, 0)
        world.slots.leave(holder, answered=False)
        assert world.load == (0, 0)

    play(story)
