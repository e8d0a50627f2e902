"""Watches an answer while nothing of it has gone out: the guards of `verify.guards` over tokens.

Only where a client waits for the whole, the router chose a free tier, and another one could take
over now; then the answer is broken off, and the next tier begins. The tier itself did its work, so
its breaker hears nothing bad of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from twotier.domain.decision import Option
from twotier.domain.known import Known, Spread, Timed
from twotier.domain.message import Event, ReasoningDelta, TextDelta, ToolCallDelta
from twotier.errors import HANDED_OVER_KIND, UpstreamError
from twotier.verify.checks import circles
from twotier.verify.guards import NOTHING, Flight, Usual, fired

BYTES_A_TOKEN = 4
LOOK_TOKENS = 256  # between two looks
SLOW = 1.25  # times what was predicted, so that the last moment is not a little too late
TAIL_CHARACTERS = 4_000  # of what was said, for circles


def needed_of(known: Known, options: Sequence[Option]) -> Usual:
    """What the guards of the first option are told."""
    behind = options[1].tier if len(options) > 1 else ""
    return usual_of(known.output, known.seconds.get(behind))


def usual_of(output: Spread | None, there: Timed | None = None) -> Usual:
    """What an answer like this needs, as the guards take it. `there`: how long the tier would take
    that comes next, None where nobody knows.
    """
    if output is None:
        return NOTHING
    usual = Usual(runs=output.count, tokens_p50=output.p50, tokens_p90=output.p90)
    if there is None or not usual.known:  # what is built in is too rough to break anything off
        return usual
    return replace(usual, elsewhere_seconds=long_seconds(there, usual))


def long_seconds(there: Timed, usual: Usual) -> float:
    """What a tier takes for a long answer, on a slow day; it was predicted for the ninth tenth."""
    written = there.output_seconds * usual.tokens_long / usual.tokens_p90
    return SLOW * (there.wait_seconds + there.prompt_seconds + written)


class Overseer:
    """`saw` raises `UpstreamError` where a guard speaks. `elsewhere`: another tier could take over
    now; `until` is when the request's time is over, monotonic, None where it has none.
    """

    def __init__(
        self,
        usual: Usual,
        *,
        elsewhere: Callable[[], bool],
        monotonic: Callable[[], float],
        until: float | None,
    ) -> None:
        self._usual = usual
        self._elsewhere = elsewhere
        self._monotonic = monotonic
        self._until = until
        self._tail = ""
        self._characters = 0
        self._next = LOOK_TOKENS
        self._began: float | None = None

    def saw(self, events: Iterable[Event]) -> None:
        """More of the answer."""
        for event in events:
            if isinstance(event, TextDelta | ReasoningDelta):
                self._tail = (self._tail + event.text)[-TAIL_CHARACTERS:]
                self._characters += len(event.text)
            elif isinstance(event, ToolCallDelta):
                self._characters += len(event.arguments)
        if self._began is None and self._characters:
            self._began = self._monotonic()
        if self._characters // BYTES_A_TOKEN >= self._next:
            self._look(self._characters // BYTES_A_TOKEN)

    def _look(self, tokens: int) -> None:
        self._next = tokens + LOOK_TOKENS
        now = self._monotonic()
        flight = Flight(
            tokens=tokens,
            seconds=now - (now if self._began is None else self._began),
            left_seconds=None if self._until is None else self._until - now,
            elsewhere_seconds=self._usual.elsewhere_seconds,
            circles=circles(self._tail),
        )
        found = fired(flight, self._usual)
        if found is not None and self._elsewhere():
            raise UpstreamError(
                f"guard {found.name}: {found.because}",
                upstream_status=502,
                upstream_kind=HANDED_OVER_KIND,
                started=True,
            )
