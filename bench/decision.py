"""What deciding costs: pure code, so a stopwatch round it is enough."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from bench.bodies import agent, small
from bench.figures import Figure, median
from twotier.domain.decision import Decision
from twotier.domain.message import Request
from twotier.domain.money import FREE
from twotier.domain.task import Caller
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.protocols import INBOUND
from twotier.router.estimate import estimate
from twotier.router.names import Names
from twotier.router.tree import Router

TIMES = 500
REPEATS = 7
MICRO = 1e6


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
    """For a poll and for one turn of an agent."""
    specs = [spec("local", local=True), spec("frontier", local=False)]
    router = Router(Names(specs, {}, lambda _provider, _model: False))
    facts = {one.name: TierFacts(one.name, TierState.READY) for one in specs}
    read = INBOUND["openai_chat"].read_request
    for name, body in (("150 bytes", small("auto")), ("83 KB", agent("auto"))):
        request = read(body)
        decide = timed(partial(decided, router, request, facts))
        reading = timed(partial(read, body))
        yield Figure(
            f"decision, request of {name}",
            "< 1 ms",
            f"{decide / 1000:.3f} ms (and {reading:.0f} us to read the request)",
        )


def decided(router: Router, request: Request, facts: Mapping[str, TierFacts]) -> Decision:
    """What is timed: estimate and decide."""
    return router.decide(estimate(request, Caller(client="default")), facts)


def timed(call: Callable[[], object]) -> float:
    """Microseconds of one call: the median of some hundreds of calls, some times."""
    return median(timeit.repeat(call, number=TIMES, repeat=REPEATS)) / TIMES * MICRO
