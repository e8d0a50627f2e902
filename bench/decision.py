"""What deciding costs: pure code, so a stopwatch round it is enough."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import perf_counter_ns, thread_time_ns

from msgspec.structs import replace

from bench.bodies import agent, small
from bench.figures import Figure, median
from twotier.clock import SystemClock
from twotier.deciding import Deciding
from twotier.domain.message import Request
from twotier.domain.money import FREE
from twotier.domain.task import Caller
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.learned.knowing import Knowing, Place
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.protocols import INBOUND
from twotier.router.names import Names
from twotier.router.own import Own, Span
from twotier.router.rows import rules_of
from twotier.router.speed import Mean
from twotier.router.tree import Router

TIMES = 500
REPEATS = 7
MICRO = 1e6
CALLS = 5_000
OWN_RULES = 20
CALLER = Caller(client="default")


def spec(name: str, *, local: bool) -> TierSpec:
    """A tier that takes everything."""
    return TierSpec(
        name=name,
        provider=f"{name}-provider",
        model=f"{name}-model",
        model_upstream=f"{name}-model",
        dialect="openai_chat",
        local=local,
        price=FREE,
        window_tokens=200_000,
        output_tokens_default=4096,
        stream_always=False,
        can_images=True,
        can_tools=True,
        connect_seconds=5,
        first_token_seconds=120,
        idle_seconds=60,
        total_seconds=900,
    )


def figures() -> Iterator[Figure]:
    """For a poll and for one turn of an agent, with all that is known and rules of the owner's."""
    specs = [spec("local", local=True), spec("frontier", local=False)]
    names = Names(specs, {}, lambda _provider, _model: False)
    facts = {one.name: TierFacts(one.name, TierState.READY) for one in specs}
    read = INBOUND["openai_chat"].read_request
    for rules, own in (("", ()), (f", {OWN_RULES} rules of the owner's", owned(OWN_RULES))):
        deciding = Deciding(
            Router(names, rules_of(own=own)), facts.__getitem__, clock=SystemClock()
        )
        deciding.knowledge = knowing(specs)
        for name, body in (("150 bytes", small("auto")), ("83 KB", agent("auto"))):
            request = read(body)
            reading = f"{timed(partial(read, body)):.0f} us to read the request"
            about = f"request of {name}{rules}"
            told = spent(deciding, request)
            yield Figure(f"decision, {about}", "< 1 ms", f"{told}, and {reading}")
            told = spent(partial(deciding, explain=True), request)
            yield Figure(f"decision explained, {about}", "< 1 ms", told)
        named = read(small("local"))
        yield Figure(f"decision, a model is named{rules}", "", spent(deciding, named))


def owned(count: int) -> Sequence[Own]:
    """Rules that look at everything there is, and do not hold."""
    hours = Span(0, 1, frozenset({0}), zone="Europe/Berlin")
    return [
        Own(
            f"own-{number}",
            side="local",
            clients=[f"ci-{number}-*"],
            headers={"x-a": "1"},
            span=hours,
        )
        for number in range(count)
    ]


def knowing(specs: Sequence[TierSpec]) -> Knowing:
    """What main knows: the speed of each tier, the conversations, the paces of budgets."""
    clock = SystemClock()
    learned = Learned(Speeds(clock))
    for one in specs:
        learned.follow(one, engine="mlx_lm")
        speed = learned.speeds.paces[one.name].speed
        speed.prefill[0], speed.decode[0] = Mean(400.0, 9), Mean(50.0, 9)
    known = Knowing(learned, clock)
    known.places = {one.name: Place(one, lambda: True, lambda: 0.0) for one in specs}
    return known


def spent(decide: Callable[[Request, Caller], object], request: Request) -> str:
    """What one of many decisions takes: half of them at most p50, and of 100 one longer than p99. A
    neighbour on the same processor counts in these, and not in what was used of the processor. No
    two have the same text, because what a text was taken for is remembered.
    """
    waited, used = [], []
    for number in range(CALLS):
        another = replace(request, head_text=f"{number} {request.head_text}")
        began, ran = perf_counter_ns(), thread_time_ns()
        decide(another, CALLER)
        used.append(thread_time_ns() - ran)
        waited.append(perf_counter_ns() - began)
    told = f"p50 {at(waited, 50)}, p99 {at(waited, 99)}"
    return f"{told} (of the processor: {at(used, 50)}, {at(used, 99)})"


def at(nanoseconds: Sequence[int], percent: int) -> str:
    """A percentile, in milliseconds."""
    return f"{sorted(nanoseconds)[len(nanoseconds) * percent // 100] / MICRO:.3f} ms"


def timed(call: Callable[[], object]) -> float:
    """Microseconds of one call: the median of some hundreds of calls, some times."""
    return median(timeit.repeat(call, number=TIMES, repeat=REPEATS)) / TIMES * MICRO
