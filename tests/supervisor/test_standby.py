"""Two models in one place: real processes, never both of them, and nobody's answer cut off."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.supervisor.kept import SECONDS_MAX, QuickClock, Toy, until_gone
from tests.supervisor.kept import runs as lives
from tests.supervisor.machines import GB, Machine
from tests.toys.client import chat
from twotier.domain.tier import TierState
from twotier.errors import TierUnavailableError
from twotier.supervisor.policy import Signal, State
from twotier.supervisor.process import Processes
from twotier.supervisor.spec import Change, Need
from twotier.supervisor.standby import Place, Sharing, Swapped
from twotier.supervisor.swap import Terms

WITHIN = 60.0
BODY = {"model": "toy", "messages": [{"role": "user", "content": "hello"}]}
BY_HAND: Mapping[str, Terms] = {"local": Terms(), "coder": Terms()}


@dataclass
class World:
    """A place, its two servers, and what became of them."""

    folder: Path
    switches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    terms: Mapping[str, Terms] = field(default_factory=lambda: BY_HAND)
    home: str = "local"
    built: tuple[str, ...] = ("local", "coder")
    machine: Machine = field(default_factory=Machine)
    give_back_seconds: float = 15.0
    swaps: list[Swapped] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)
    sharers: dict[str, Sharing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Both are built before anything runs."""
        clock = QuickClock()
        self.place = Place(
            self.terms,
            home=self.home,
            clock=clock,
            told=self.swaps.append,
            give_back_seconds=self.give_back_seconds,
        )
        around = self.machine.around()
        for name in self.built:
            toy = Toy(self.folder, self.switches.get(name, ()))
            spec = replace(
                toy.spec(),
                name=name,
                log_path=self.folder / f"{name}.log",
                record_path=self.folder / f"{name}.json",
                need=lambda _: Need(6 * GB, GB),
            )
            processes = Processes()
            sharer = Sharing(
                spec,
                processes,
                clock=clock,
                random=random.random,
                on_change=self.see,
                around=around,
            )
            self.place.add(sharer, spec, launcher=processes)
            self.sharers[name] = sharer

    def see(self, change: Change) -> None:
        """Whenever one of them has a process, no other one has."""
        if change.after is State.LOADING and change.pid:
            self.pids[change.name] = change.pid
            assert [n for n, pid in self.pids.items() if n != change.name and lives(pid)] == []
        self.place.heard(change)

    def states(self) -> list[TierState]:
        """What is shown of both."""
        return [sharer.facts().state for sharer in self.sharers.values()]


@contextlib.asynccontextmanager
async def running(world: World, *, leave: bool = False) -> AsyncIterator[World]:
    """Everything of it runs; then it is ended, or (`leave`) only left, as if main died."""
    async with asyncio.TaskGroup() as group, asyncio.timeout(SECONDS_MAX):
        keeping = [group.create_task(one.run()) for one in world.sharers.values()]
        swapping = group.create_task(world.place.run())
        try:
            yield world
        finally:
            swapping.cancel()
            if not leave:
                await asyncio.gather(*(one.stop() for one in world.sharers.values()))
            for task in keeping:
                task.cancel()


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 2 * SECONDS_MAX))


async def served(world: World, name: str) -> int:
    """The pid of the server that is ready under this name."""
    await world.sharers[name].ensure_ready(within_seconds=WITHIN)
    pid = world.sharers[name].facts().pid
    assert pid is not None
    assert lives(pid)
    return pid


def test_a_model_is_loaded_by_hand_and_the_other_one_ends_first(tmp_path: Path) -> None:
    """There and back; what is shown says who stands by and why."""

    async def story() -> None:
        async with running(World(tmp_path)) as world:
            home = await served(world, "local")
            assert world.states() == [TierState.READY, TierState.STANDBY]
            assert "twotier models use coder" in world.sharers["coder"].facts().because
            await world.place.use("coder")
            assert not lives(home)
            coder = await served(world, "coder")
            assert world.states() == [TierState.STANDBY, TierState.READY]
            assert "coder is loaded in its place" in world.sharers["local"].facts().because
            await world.place.use("coder")  # it is there: nothing to do
            assert await served(world, "coder") == coder
            await world.sharers["coder"].stop()
            await world.place.use("coder")
            assert await served(world, "coder") != coder
            coder = await served(world, "coder")
            await world.place.use("local")
            assert not lives(coder)
            await served(world, "local")
            assert [(one.before, one.after, one.failed) for one in world.swaps] == [
                ("local", "coder", ""),
                ("coder", "local", ""),
            ]

    play(story)


def test_an_answer_on_its_way_is_waited_for_and_the_next_one_is_not_let_in(tmp_path: Path) -> None:
    """The swap has begun; who comes for the old model waits, and is refused when its time ends."""

    async def story() -> None:
        async with running(World(tmp_path)) as world, asyncio.TaskGroup() as group:
            home = await served(world, "local")
            use = world.sharers["local"].pick_up()
            using = group.create_task(world.place.use("coder"))
            await asyncio.sleep(0)
            assert "waiting until local has ended (1" in world.sharers["coder"].facts().because
            with pytest.raises(TierUnavailableError, match="coder is being loaded"):
                await world.sharers["local"].ensure_ready(within_seconds=0.05)
            assert lives(home)
            assert not using.done()
            use.lay_down()
            await using
            assert not lives(home)

    play(story)


def test_a_request_loads_it_only_where_its_terms_say_so(tmp_path: Path) -> None:
    """By hand: refused at once with what to do. On request: fetched, once for two who ask."""

    async def story() -> None:
        async with running(World(tmp_path / "hand")) as world:
            await served(world, "local")
            with pytest.raises(TierUnavailableError, match="`twotier models use coder`") as refused:
                await world.sharers["coder"].ensure_ready(within_seconds=WITHIN)
            assert refused.value.retry_after_seconds is None  # waiting does not help
        terms = {"local": Terms(), "coder": Terms(on_request=True)}
        async with running(World(tmp_path / "request", terms=terms)) as world:
            await served(world, "local")
            both = await asyncio.gather(served(world, "coder"), served(world, "coder"))
            assert both[0] == both[1]
            assert len(world.swaps) == 1

    for name in ("hand", "request"):
        (tmp_path / name).mkdir()
    play(story)


def test_the_model_at_home_comes_back_after_a_while_without_work(tmp_path: Path) -> None:
    """Counted from the last answer; who waits for it meanwhile is served then."""

    async def story() -> None:
        terms = {"local": Terms(), "coder": Terms(back_seconds=0.3)}
        async with running(World(tmp_path, terms=terms)) as world:
            await served(world, "local")
            await world.place.use("coder")
            use = world.sharers["coder"].pick_up()
            with pytest.raises(TierUnavailableError, match="coder is loaded in its place"):
                await world.sharers["local"].ensure_ready(within_seconds=0.6)
            use.lay_down()
            assert "comes back in" in world.sharers["local"].facts().because
            await served(world, "local")
            assert world.swaps[-1].after == "local"

    play(story)


def test_a_model_that_cannot_be_loaded_makes_room_for_the_old_one(tmp_path: Path) -> None:
    """It dies at its start: told at once, the old one is back, and requests do not try it again."""

    async def story() -> None:
        terms = {"local": Terms(), "coder": Terms(on_request=True)}
        switches = {"coder": ("--says=no such file", "--exits=1")}
        async with running(World(tmp_path, switches, terms)) as world:
            await served(world, "local")
            with pytest.raises(
                TierUnavailableError, match=r"could not be loaded.*local is loaded again"
            ):
                await world.place.use("coder")
            await served(world, "local")
            assert world.place.loaded == "local"
            assert "no such file" in world.swaps[0].failed
            with pytest.raises(TierUnavailableError, match="could not be loaded"):
                await world.sharers["coder"].ensure_ready(within_seconds=WITHIN)
            assert len(world.swaps) == 1
            assert world.states() == [TierState.READY, TierState.STANDBY]

    play(story)


def test_a_tier_that_could_not_be_built_is_no_reason_to_unload_the_other_for_long(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        world = World(tmp_path, built=("local",))
        async with running(world):
            await served(world, "local")
            with pytest.raises(TierUnavailableError, match="could not be built"):
                await world.place.use("coder")
            await served(world, "local")

    play(story)


def test_the_next_main_goes_on_with_the_model_that_is_loaded(tmp_path: Path) -> None:
    """Killed while the other one was loaded: that one is adopted, and the first stays out."""

    async def story() -> None:
        async with running(World(tmp_path), leave=True) as world:
            await served(world, "local")
            await world.place.use("coder")
            coder = await served(world, "coder")
        async with running(World(tmp_path)) as world:
            assert await served(world, "coder") == coder
            assert world.place.loaded == "coder"
            assert world.states() == [TierState.STANDBY, TierState.READY]
            await world.place.use("local")
            await until_gone(coder)

    play(story)


def test_of_two_that_were_left_alive_one_is_ended(tmp_path: Path) -> None:
    """It was never meant to be so; the one at home stays."""

    async def story() -> None:
        async with running(World(tmp_path), leave=True) as world:
            home = await served(world, "local")
        lonely = World(tmp_path, built=("coder",), home="coder")
        async with running(lonely, leave=True):
            coder = await served(lonely, "coder")
        async with running(World(tmp_path)) as world:
            assert await served(world, "local") == home
            await until_gone(coder)

    play(story)


def test_models_that_are_all_asked_for_take_turns_and_nobody_is_forgotten(tmp_path: Path) -> None:
    """Three at once, three times each: who waited for a model is served before it goes again."""

    async def story() -> None:
        terms = {name: Terms(on_request=True) for name in ("local", "coder", "quick")}
        async with running(World(tmp_path, terms=terms, built=tuple(terms))) as world:
            await served(world, "local")

            async def asks(name: str) -> None:
                for _ in range(3):
                    endpoint = await world.sharers[name].ensure_ready(within_seconds=SECONDS_MAX)
                    use = world.sharers[name].pick_up()
                    await chat(endpoint, BODY)
                    use.lay_down()

            by_hand = asyncio.ensure_future(world.place.use("quick"))
            await asyncio.gather(*(asks(name) for name in [*terms, *terms]))
            await by_hand
            assert len(world.swaps) <= 9
            assert not any(one.failed for one in world.swaps)

    play(story)


def test_to_restart_a_model_that_stands_by_is_to_load_it(tmp_path: Path) -> None:
    """`twotier engine restart` must not put two of them in memory either."""

    async def story() -> None:
        async with running(World(tmp_path)) as world:
            home = await served(world, "local")
            await world.sharers["local"].restart()
            assert await served(world, "local") != home
            await world.sharers["coder"].restart()
            assert world.place.loaded == "coder"

    play(story)


def test_when_a_job_ends_its_model_goes_unless_a_person_wants_it(tmp_path: Path) -> None:
    """It was fetched for the job and nobody is using it: the one at home is back at once."""

    async def story() -> None:
        terms = {"local": Terms(), "coder": Terms(on_request=True, back_seconds=600.0)}
        async with running(World(tmp_path, terms=terms)) as world:
            await served(world, "coder")
            use = world.sharers["coder"].pick_up()
            world.place.done_with("coder")
            assert world.place.has("coder")
            use.lay_down()
            world.place.done_with("coder")
            await served(world, "local")
            await world.place.use("coder")
            world.place.done_with("coder")
            world.place.done_with("local")
            assert world.place.has("coder")

    play(story)


@dataclass
class Slow(World):
    """Here the memory of a dead server is free only some time after its end, if at all."""

    gives_back: bool = True

    def see(self, change: Change) -> None:
        super().see(change)
        if change.after is State.LOADING:
            self.machine.free_bytes = 2 * GB
        if change.signal is Signal.HELD_UP and self.gives_back:
            self.machine.free_bytes = 8 * GB


def test_memory_that_comes_back_late_is_waited_for(tmp_path: Path) -> None:
    """The gate holds the new model up for a moment: that is no failed swap."""

    async def story() -> None:
        async with running(Slow(tmp_path, machine=Machine(free_bytes=8 * GB))) as world:
            await served(world, "local")
            await world.place.use("coder")
            await served(world, "coder")
            assert world.swaps[0].failed == ""

    play(story)


def test_a_model_that_does_not_fit_is_refused_with_the_sum_or_forced_by_name(
    tmp_path: Path,
) -> None:
    """Somebody else holds the memory now: the old model is back as soon as there is room for it."""

    async def story() -> None:
        world = Slow(
            tmp_path, machine=Machine(free_bytes=8 * GB), give_back_seconds=0.0, gives_back=False
        )
        async with running(world):
            await served(world, "local")
            with pytest.raises(TierUnavailableError, match=r"it needs 6.0 GB and 1.0 GB of head"):
                await world.place.use("coder")
            assert world.place.loaded == "local"
            await world.sharers["coder"].restart(force=True)
            assert world.place.loaded == "coder"
            await served(world, "coder")

    play(story)
