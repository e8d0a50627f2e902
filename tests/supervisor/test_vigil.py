"""How long a hang can stay unseen: the sums, on a clock that is turned by hand."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.kept import QuickClock
from tests.supervisor.machines import HandClock
from twotier.domain.endpoint import Endpoint, Work
from twotier.domain.launch import Launch
from twotier.errors import UpstreamError
from twotier.supervisor.probe import Ask
from twotier.supervisor.spec import KeptSpec
from twotier.supervisor.use import Held
from twotier.supervisor.vigil import Pulse, Vigil, works

HERE = Endpoint("http://127.0.0.1:1", 1)
FOUND_SECONDS_MAX = 35.0


class Nobody:
    """`use.Told` that hears nothing."""

    def progressed(self) -> None:
        """Nothing."""

    def laid_down(self, held: Held) -> None:
        """Nothing."""


def held(work: Work, *, began: bool = False) -> Held:
    """A request in the server."""
    found = Held(Nobody(), work)
    if began:
        found.progressed()
    return found


A_LONG_PROMPT = held(Work(50_000))


def spec(ready: Ask, **more: Any) -> KeptSpec:
    return KeptSpec(
        name="x",
        launch=lambda _: Launch(("x",)),
        ready=ready,
        log_path=Path("log"),
        record_path=Path("x.json"),
        listens=False,
        **more,
    )


@dataclass
class Server:
    """Answers, is silent until the limit, or refuses; each look costs its whole limit then."""

    clock: HandClock = field(default_factory=HandClock)
    hangs: bool = False
    cpu_seconds: float = 0.0
    works: bool = False
    limit_seconds: float = 18.0

    async def __call__(self, _: Endpoint) -> None:
        if self.hangs:
            self.clock.turn(self.limit_seconds)
            if self.works:
                self.cpu_seconds += self.limit_seconds
            raise TimeoutError


class Short(Vigil):
    """A vigil whose look ends when its question has failed once: the clock is not the loop's."""

    async def _answer(self, endpoint: Endpoint, *, within_seconds: float) -> str:
        try:
            await self._ask(endpoint)
        except TimeoutError:
            return "it took the question and did not answer"
        return ""


def test_the_limits_of_every_kept_server_add_up_to_less_than_35_seconds() -> None:
    """Silence, then a look; and a look that a suspicion cuts short has four seconds at least."""
    given = spec(Server())
    assert given.probe_every_seconds + given.probe_seconds_max + 4.0 < FOUND_SECONDS_MAX
    assert given.still_seconds < FOUND_SECONDS_MAX


def vigil_of(server: Server, **more: Any) -> Short:
    return Short(spec(server, **more), server.clock, pulse=lambda: Pulse(server.cpu_seconds))


@pytest.mark.parametrize("uses", [[], [A_LONG_PROMPT]])
def test_a_dead_server_is_found_by_silence_idle_and_busy(uses: list[Held]) -> None:
    """Requests that come and are not answered are no sign of life."""

    async def scenario() -> float:
        server = Server()
        vigil = vigil_of(server)
        vigil.heard()
        died_at, server.hangs = server.clock.seconds, True
        await vigil.silence()
        assert "did not answer" in await vigil.dead(HERE, uses=lambda: uses)
        return server.clock.seconds - died_at

    assert asyncio.run(scenario()) <= FOUND_SECONDS_MAX


def test_a_busy_server_that_works_is_left_alone_and_an_idle_one_is_not() -> None:
    """A long prompt is read in silence by some; nobody's prompt is no excuse."""

    async def scenario() -> None:
        server = Server(hangs=True, works=True)
        vigil = vigil_of(server)
        assert await vigil.dead(HERE, uses=lambda: [A_LONG_PROMPT]) == ""
        assert await vigil.dead(HERE, uses=list)

    asyncio.run(scenario())


def test_the_table_of_processes_is_never_walked_on_the_loop() -> None:
    """Some milliseconds, every two seconds of a load, in which no answer would move."""
    here = threading.get_ident()
    walked: list[int] = []

    def pulse() -> Pulse:
        walked.append(threading.get_ident())
        return Pulse()

    async def scenario() -> None:
        server = Server(hangs=True)
        assert await Short(spec(server), server.clock, pulse=pulse).dead(
            HERE, uses=lambda: [A_LONG_PROMPT]
        )

        async def silent(_: Endpoint) -> None:
            await asyncio.Event().wait()

        loading = Vigil(spec(silent), Yielding(), pulse=pulse)
        assert await loading.first_answer(HERE, within_seconds=600)

    asyncio.run(scenario())
    assert len(walked) > 3
    assert here not in walked


async def found_after(vigil: Short, server: Server, *, uses: list[Held]) -> float:
    """The seconds until a server that spins from now on is found; two minutes at most."""
    vigil.heard()
    began, server.hangs, server.works = server.clock.seconds, True, True
    while server.clock.seconds - began < 120:
        await vigil.silence()
        if await vigil.dead(HERE, uses=lambda: uses):
            break
    return server.clock.seconds - began


@pytest.mark.parametrize(
    ("work", "began", "seconds"),
    [
        (Work(2_000), False, 30),  # learned: 5 s
        (Work(2_000, holds=True), False, 30),
        (Work(9_000), False, 90),  # 22.5 s, four times that, and a look every 30 s
        (Work(2_000), True, 30),
        (Work(90_000), True, 30),  # it has begun to answer, so all of that is read
        (Work(2_000, holds=True), True, 120),  # it may be writing a call of a tool
        (Work(2_000, whole=True), False, 120),
    ],
)
def test_a_server_that_spins_is_found_when_nothing_inside_explains_it(
    work: Work, began: bool, seconds: float
) -> None:
    """What cannot be told apart ends with the request's own limits, here 120 s."""
    server = Server()
    vigil = vigil_of(server, pace=lambda _: 400.0)
    uses = [held(work, began=began)]
    assert asyncio.run(found_after(vigil, server, uses=uses)) == seconds


def test_one_that_reads_is_left_alone_for_four_times_what_it_was_seen_to_need() -> None:
    """All prompts inside count: they may be read one after the other."""
    server = Server()
    vigil = vigil_of(server, pace=lambda _: 400.0)
    uses = [held(Work(6_000)), held(Work(6_000))]
    assert asyncio.run(found_after(vigil, server, uses=uses)) == 120


def test_a_server_nobody_has_seen_reading_is_taken_to_be_very_slow() -> None:
    """A token a second: a short question is read all the same within a look."""
    server = Server()
    assert asyncio.run(found_after(vigil_of(server), server, uses=[held(Work(25))])) == 30
    server = Server()
    assert asyncio.run(found_after(vigil_of(server), server, uses=[held(Work(500))])) == 120


@pytest.mark.parametrize("gets_on", [True, False])
def test_a_server_that_tells_how_far_it_is_is_believed_in_that(gets_on: bool) -> None:
    """Its prompt would explain hours, but only while it gets on: no silence is longer than one
    step. The clock is the loop's here.
    """
    asked: list[int] = []

    def progress(_: Endpoint) -> object:
        asked.append(len(asked))
        return len(asked) if gets_on else 0

    async def scenario() -> str:
        pulses = iter(range(100))

        async def silent(_: Endpoint) -> None:
            await asyncio.Event().wait()

        given = spec(
            silent,
            progress=progress,
            step_tokens=512,
            pace=lambda _: 40_000.0,
            probe_seconds_max=0.3,
        )
        vigil = Vigil(given, QuickClock(), pulse=lambda: Pulse(next(pulses)))
        entered = Held(Nobody(), Work(10**9, whole=True), since=vigil.heard_at - 60.0)
        return await vigil.dead(HERE, uses=lambda: [entered])

    assert asyncio.run(scenario()) == ("" if gets_on else "it took the question and did not answer")
    assert len(asked) > 2


def test_a_step_may_be_four_times_as_slow_as_the_one_before_it() -> None:
    """The machine is loaded, so what was learned on a quiet one says too little."""
    told = [0]

    async def scenario() -> list[str]:
        pulses = iter(range(100))

        async def silent(_: Endpoint) -> None:
            await asyncio.Event().wait()

        def progress(_: Endpoint) -> object:
            return told[0]

        given = spec(
            silent,
            progress=progress,
            step_tokens=512,
            pace=lambda _: 1e9,
            probe_seconds_max=0.2,
        )
        vigil = Vigil(given, QuickClock(), pulse=lambda: Pulse(next(pulses)))
        vigil.heard_at -= 60.0  # the first step that is seen took a minute
        entered = Held(Nobody(), Work(10**9, whole=True), since=vigil.heard_at)
        looks = [await vigil.dead(HERE, uses=lambda: [entered])]
        told[0] += 1
        looks += [await vigil.dead(HERE, uses=lambda: [entered]) for _ in range(2)]
        return looks

    first, moved, still = asyncio.run(scenario())
    assert first  # nothing is known of its steps yet
    assert (moved, still) == ("", "")


def test_bytes_that_come_during_a_look_are_life() -> None:
    """A keep-alive comment, while the question waits behind a prefill."""

    async def scenario() -> None:
        server = Server(hangs=True)
        vigil = vigil_of(server)

        def uses() -> list[Held]:
            vigil.heard()
            return [A_LONG_PROMPT]

        assert await vigil.dead(HERE, uses=uses) == ""

    asyncio.run(scenario())


def test_a_look_that_was_cut_short_is_not_begun_anew() -> None:
    """A suspicion in the middle of a look would double the time."""

    async def scenario() -> tuple[float, float]:
        server = Server(hangs=True)
        limits: list[float] = []

        class Noting(Short):
            async def _answer(self, endpoint: Endpoint, *, within_seconds: float) -> str:
                limits.append(within_seconds)
                return await super()._answer(endpoint, within_seconds=within_seconds)

        vigil = Noting(spec(server), server.clock, pulse=Pulse)
        await vigil.dead(HERE, uses=list)
        await vigil.dead(HERE, uses=list)
        return limits[0], limits[1]

    assert asyncio.run(scenario()) == (18.0, 4.0)


def test_a_slow_server_gets_more_time_than_a_quick_one() -> None:
    """Three times what the slow looks before took."""

    async def scenario() -> list[float]:
        server = Server()
        limits: list[float] = []

        class Noting(Short):
            async def _answer(self, endpoint: Endpoint, *, within_seconds: float) -> str:
                limits.append(within_seconds)
                server.clock.turn(10.0)
                return ""

        vigil = Noting(spec(server), server.clock, pulse=Pulse)
        await vigil.dead(HERE, uses=list)
        await vigil.dead(HERE, uses=list)
        return limits

    assert asyncio.run(scenario()) == [18.0, 30.0]


def test_a_load_without_any_sign_of_work_is_a_hang() -> None:
    """The question is taken and nothing moves: no need to wait for the whole limit."""

    async def scenario() -> str:
        asked = asyncio.Event()

        async def silent(_: Endpoint) -> None:
            await asked.wait()

        vigil = Vigil(spec(silent), Yielding(), pulse=Pulse)
        return await vigil.first_answer(HERE, within_seconds=600)

    assert asyncio.run(scenario()) == "no sign of work for 30 s"


class Yielding(HandClock):
    """Lets others run when it is waited on."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.turn(seconds)


def test_a_refusal_in_words_is_a_sign_of_life_while_it_loads() -> None:
    """503 while loading, for longer than nothing moves: it is waited for."""

    async def scenario() -> str:
        clock = Yielding()
        tries: list[float] = []

        async def loading(_: Endpoint) -> None:
            tries.append(clock.seconds)
            if len(tries) < 60:
                raise UpstreamError("loading", upstream_status=503)

        vigil = Vigil(spec(loading), clock, pulse=Pulse)
        return await vigil.first_answer(HERE, within_seconds=600)

    assert asyncio.run(scenario()) == ""


@pytest.mark.parametrize(
    ("cpu", "grown", "expected"),
    [(0.01, 0, False), (0.2, 0, True), (0.0, 5_000_000, True), (0.0, -5_000_000, True)],
)
def test_what_counts_as_work(cpu: float, grown: int, expected: bool) -> None:
    """A server that only waits uses a thousandth of a core; measured: 0.01 s in 8 s."""
    assert works(Pulse(0, 10**7), Pulse(cpu, 10**7 + grown), seconds=8.0) is expected
