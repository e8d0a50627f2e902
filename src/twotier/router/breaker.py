"""Whether an upstream is worth asking: a breaker for each tier and model, one table.

Closed, it is asked. After `FAILURES_MAX` failures and `FAILING_SECONDS` without one answer, or one
attempt that found nothing listening, it is open: for `OPEN_SECONDS` nobody asks. Then one request
tries (half-open) while the others go elsewhere, and what it meets decides; each try that fails
doubles the time until the next, up to `OPEN_SECONDS_MAX`. An upstream that answers every other
request is still asked: five failures of fifty requests a second are a moment's bad luck. Only what
has failed is remembered, so that a healthy request pays for one look-up in an empty table.

A failure is what speaks of the upstream: it cannot be reached, hangs up, takes too long, answers
5xx. A 4xx shows that it lives. So does a 429, which has a wait of its own; but it is no answer, and
failures before and after it are in a row. What says nothing of
it (a client that left, a budget that is spent) changes nothing. A server we keep is judged by its
keeper, who hears of outages himself; only the errors it answers with are counted here.

Pure: time is handed in, monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from twotier.errors import (
    HANDED_OVER_KIND,
    UNFIT_KIND,
    DeadlineError,
    StreamBrokenError,
    TierUnavailableError,
    TooLongError,
    TwotierError,
    UpstreamError,
)

FAILURES_MAX = 5
FAILING_SECONDS = 2.0  # from the first of them
OPEN_SECONDS = 5.0
OPEN_SECONDS_MAX = 15.0
VERDICT_SECONDS = 1.0  # told to whoever comes while somebody else tries
RATE_LIMITED = 429
REQUEST_TIMEOUT = 408  # a 4xx that speaks of the upstream's own slowness
OURS = (UNFIT_KIND, HANDED_OVER_KIND)  # found wrong by us in the answer of a living server

Key = tuple[str, str]  # a tier and its model


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Signal(StrEnum):
    """What can happen to it."""

    ANSWERED = "answered"  # it did its work, or refused as only a living server can
    LIMITED = "limited"  # it lives, and did no work
    FAILED = "failed"  # and not too often yet
    TOO_MANY = "too-many"  # failures in a row, for too long
    UNREACHABLE = "unreachable"  # nothing listens there
    TRIED = "tried"  # its time is over, and one request goes
    UNTOLD = "untold"  # that request ended, and told nothing


HARMLESS = (Signal.ANSWERED, Signal.LIMITED, Signal.UNTOLD)


def _row(state: State, moves: dict[Signal, State]) -> dict[tuple[State, Signal], State]:
    """One row of the table: the moves, and every other signal leaves the state alone."""
    return {(state, signal): moves.get(signal, state) for signal in Signal}


NEXT: dict[tuple[State, Signal], State] = {
    **_row(State.CLOSED, {Signal.TOO_MANY: State.OPEN, Signal.UNREACHABLE: State.OPEN}),
    # An answer to a request that was under way when it opened is as good as any.
    **_row(State.OPEN, {Signal.ANSWERED: State.CLOSED, Signal.TRIED: State.HALF_OPEN}),
    **_row(
        State.HALF_OPEN,
        {
            Signal.ANSWERED: State.CLOSED,
            Signal.LIMITED: State.CLOSED,
            Signal.FAILED: State.OPEN,
            Signal.TOO_MANY: State.OPEN,
            Signal.UNREACHABLE: State.OPEN,
            Signal.UNTOLD: State.OPEN,
        },
    ),
}


def signal_of(error: TwotierError, *, kept: bool) -> Signal:
    """What an attempt that ended with this error tells of its upstream.

    `kept`: a keeper has its server and was told of everything that looks like an outage.
    """
    if isinstance(error, TooLongError):
        return Signal.ANSWERED
    if isinstance(error, UpstreamError) and error.upstream_kind in OURS:
        return Signal.ANSWERED
    if isinstance(error, UpstreamError) and error.upstream_status:
        return _told_by(error.upstream_status)
    if kept:
        return Signal.UNTOLD
    if isinstance(error, TierUnavailableError):
        return Signal.UNREACHABLE if error.unreachable else Signal.UNTOLD
    told = isinstance(error, UpstreamError | DeadlineError | StreamBrokenError)
    return Signal.FAILED if told else Signal.UNTOLD


def _told_by(status: int) -> Signal:
    """What a status that is no success tells."""
    if status == RATE_LIMITED:
        return Signal.LIMITED
    return Signal.FAILED if status == REQUEST_TIMEOUT or status >= 500 else Signal.ANSWERED


class Admission(msgspec.Struct, frozen=True):
    """Whether a request may go. `probing`: it is the one that tries, and owes its verdict.

    `refused` is the sentence for one that may not, empty for one that may.
    """

    probing: bool = False
    refused: str = ""
    retry_after_seconds: float = 0.0


GO = Admission()
PROBE = Admission(probing=True)


@dataclass(slots=True)
class _Breaker:
    """One of them, since its last answer. `until` is when it may be tried again."""

    since: float  # the first failure
    state: State = State.CLOSED
    failures: int = 0
    rest_seconds: float = OPEN_SECONDS  # the next time it opens
    until: float = 0.0
    because: str = ""

    def failed(self, now: float) -> Signal:
        """One failure more, and what that makes of them."""
        self.failures += 1
        many = self.failures >= FAILURES_MAX and now - self.since >= FAILING_SECONDS
        return Signal.TOO_MANY if many else Signal.FAILED

    def rest(self, now: float) -> None:
        """It opens, the next time for longer."""
        self.until = now + self.rest_seconds
        self.rest_seconds = min(2 * self.rest_seconds, OPEN_SECONDS_MAX)


class Breakers:
    """All breakers of one process: the only place where their states move."""

    def __init__(self) -> None:
        self._troubled: dict[Key, _Breaker] = {}
        # The same: while it is empty there is no outage anywhere, and nobody has to ask for one.
        self.troubled: Collection[Key] = self._troubled

    def outage(self, key: Key, *, now: float) -> str:
        """Why it is not asked now; empty where it is, or may be tried again."""
        found = self._troubled.get(key)
        if found is None or found.state is State.CLOSED:
            return ""
        if found.state is State.HALF_OPEN:
            return f"{found.because}; it is being tried again now"
        left = found.until - now
        return f"{found.because}; asked again in {left:.0f} s" if left > 0 else ""

    def states(self) -> dict[Key, State]:
        """Those that have failed, and where they stand; all others are closed."""
        return {key: found.state for key, found in self._troubled.items()}

    def admit(self, key: Key, *, now: float) -> Admission:
        """Whether a request may go there now. One that may probe must `note` what it met."""
        found = self._troubled.get(key)
        if found is None or found.state is State.CLOSED:
            return GO
        if found.state is State.OPEN and found.until <= now:
            found.state = NEXT[found.state, Signal.TRIED]
            return PROBE
        wait = VERDICT_SECONDS if found.state is State.HALF_OPEN else found.until - now
        return Admission(refused=self.outage(key, now=now), retry_after_seconds=wait)

    def note(
        self, key: Key, signal: Signal, *, now: float, because: str = "", probing: bool = False
    ) -> None:
        """What an attempt met. While one request probes, of the others only an answer counts."""
        found = self._troubled.get(key)
        if found is None:
            if signal in HARMLESS:
                return
            found = self._troubled[key] = _Breaker(since=now)
        if found.state is State.HALF_OPEN and not probing and signal is not Signal.ANSWERED:
            return
        if signal is Signal.FAILED:
            signal = found.failed(now)
        before, found.state = found.state, NEXT[found.state, signal]
        if signal is Signal.ANSWERED or (before is State.HALF_OPEN and found.state is State.CLOSED):
            del self._troubled[key]
        elif signal not in HARMLESS:  # who probed and learned nothing leaves the next the chance
            if found.state is State.OPEN and before is not State.OPEN:
                found.rest(now)
            found.because = because or found.because
