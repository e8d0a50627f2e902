"""Watches an answer while nothing of it has gone out: the guards of `verify.guards` over tokens.

Only where a client waits for the whole, the router chose a free tier, and another one could take
over now; then the answer is broken off, and the next tier begins. The tier itself did its work, so
its breaker hears nothing bad of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from twotier.domain.decision import Option
from twotier.domain.known import Spread, Timed
from twotier.domain.message import Event, ReasoningDelta, TextDelta, ToolCallDelta
from twotier.domain.task import Asking
from twotier.errors import HANDED_OVER_KIND, UpstreamError
from twotier.verify.checks import circles
from twotier.verify.guards import NOTHING, Flight, Usual, fired
from twotier.verify.lengths import SLOW

BYTES_A_TOKEN = 4
LOOK_TOKENS = 256  # between two looks, or so many seconds: a moment is not to be missed
LOOK_SECONDS = 1.0
TAIL_CHARACTERS = 4_000  # of what was said, for circles


def needed_of(asking: Asking, options: Sequence[Option]) -> Usual:
    """What the guards of the first option are told."""
    behind = options[1].tier if len(options) > 1 else ""
    known, limit = asking.known, asking.task.output_tokens_asked
    return usual_of(known.output, known.seconds.get(behind), limit=limit)


def usual_of(
    output: Spread | None, there: Timed | None = None, *, limit: int | None = None
) -> Usual:
    """What an answer like this needs, as the guards take it, and the `limit` its client has set.
    `there`: how long the tier that comes next would take for the ninth tenth; None where nobody
    knows.
    """
    if output is None:
        return NOTHING
    usual = Usual(runs=output.count, tokens_p50=output.p50, tokens_p90=output.p90, most=limit)
    if there is None or not usual.known:  # what is built in is too rough to break anything off
        return usual
    return replace(
        usual,
        elsewhere_begins=SLOW * (there.wait_seconds + there.prompt_seconds),
        elsewhere_each=SLOW * there.output_seconds / output.p90,
    )


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
        self._next_at = monotonic() + LOOK_SECONDS
        self._began: float | None = None

    def saw(self, events: Iterable[Event]) -> None:
        """More of the answer."""
        for event in events:
            if isinstance(event, TextDelta | ReasoningDelta):
                self._tail = (self._tail + event.text)[-TAIL_CHARACTERS:]
                self._characters += len(event.text)
            elif isinstance(event, ToolCallDelta):
                self._characters += len(event.arguments)
        now, tokens = self._monotonic(), self._characters // BYTES_A_TOKEN
        if self._began is None and self._characters:
            self._began = now
        if tokens >= self._next or now >= self._next_at:
            self._look(tokens, now)

    def _look(self, tokens: int, now: float) -> None:
        self._next, self._next_at = tokens + LOOK_TOKENS, now + LOOK_SECONDS
        flight = Flight(
            tokens=tokens,
            seconds=now - (now if self._began is None else self._began),
            left_seconds=None if self._until is None else self._until - now,
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
