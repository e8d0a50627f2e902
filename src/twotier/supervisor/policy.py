"""What a kept process may do next: one table, and the sums behind its delays.

Pure: values in, values out, no clock and no chance of its own. Every pair of state and signal is
in `NEXT`; a pair without meaning (a late answer of a process that is already gone) says so by
staying where it is. A missing pair is an error, found by a test that walks the whole product.

Not every state may be left by waiting: `OWED` names, for each state that makes people wait, the
signals of which one is certain to come, because the keeper owes it within a bounded time. That is
the proof that nobody who waits is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from twotier.domain.tier import TierState

DELAY_SECONDS_FIRST = 1.0
DELAY_SECONDS_MAX = 60.0
STABLE_SECONDS = 60.0
DEATHS_MAX = 5
DEATHS_WITHIN_SECONDS = 600.0
LOAD_SECONDS_MIN = 120.0  # Python's imports alone took 16 s on a loaded machine
LOAD_BYTES_PER_SECOND = 250e6  # a slow disk; measured on an internal one: 4.5 GB/s
SMALLER_MAX = 3  # halvings of its caches: an eighth
STRANDED_BYTES_MIN = 2_000_000_000
STRANDED_AFTER_SECONDS = 10.0  # the system takes a moment to give memory back
JITTER = 0.25  # a delay is between 75 % and 125 % of its nominal length


class State(StrEnum):
    """Where a kept process stands."""

    STOPPED = "stopped"
    STARTING = "starting"  # nothing runs yet: finding one to adopt, or spawning
    LOADING = "loading"  # it runs and has not generated a token yet
    READY = "ready"
    BUSY = "busy"  # ready, and somebody's request is in it
    DEGRADED = "degraded"  # somebody says it does not answer; being looked at, or being ended
    DRAINING = "draining"  # asked to stop: requests in it may finish, then it is ended
    BACKOFF = "backoff"  # it died; waiting for the next start
    QUARANTINED = "quarantined"  # it died too often; only a person starts it again


class Signal(StrEnum):
    """What can happen to it."""

    START = "start"
    SPAWNED = "spawned"
    ANSWERED = "answered"  # it generated a token
    PICKED_UP = "picked-up"  # the first request went in
    LAID_DOWN = "laid-down"  # the last request came out
    SUSPECTED = "suspected"
    EXITED = "exited"  # the process is gone, or could not be made
    STOP = "stop"
    DELAY_OVER = "delay-over"
    HELD_UP = "held-up"  # it cannot be started now: no room in memory, or its port is taken
    PRESSED = "pressed"  # memory is so tight that it has to go before the system takes it
    TOO_MANY = "too-many"  # deaths, or one that no restart can mend


class Wait(StrEnum):
    """What a request that needs the process is told."""

    GO = "go"
    WAIT = "wait"
    REFUSE = "refuse"


def _row(state: State, moves: dict[Signal, State]) -> dict[tuple[State, Signal], State]:
    """One row of the table: the moves, and every other signal leaves the state alone."""
    return {(state, signal): moves.get(signal, state) for signal in Signal}


NEXT: dict[tuple[State, Signal], State] = {
    **_row(State.STOPPED, {Signal.START: State.STARTING}),
    **_row(
        State.STARTING,
        {
            Signal.SPAWNED: State.LOADING,
            Signal.EXITED: State.BACKOFF,
            Signal.HELD_UP: State.BACKOFF,
            Signal.STOP: State.DRAINING,
        },
    ),
    **_row(
        State.LOADING,
        {
            Signal.ANSWERED: State.READY,
            Signal.EXITED: State.BACKOFF,
            Signal.STOP: State.DRAINING,
        },
    ),
    **_row(
        State.READY,
        {
            Signal.PICKED_UP: State.BUSY,
            Signal.SUSPECTED: State.DEGRADED,
            Signal.PRESSED: State.DRAINING,
            Signal.EXITED: State.BACKOFF,
            Signal.STOP: State.DRAINING,
        },
    ),
    **_row(
        State.BUSY,
        {
            Signal.LAID_DOWN: State.READY,
            Signal.SUSPECTED: State.DEGRADED,
            Signal.PRESSED: State.DRAINING,
            Signal.EXITED: State.BACKOFF,
            Signal.STOP: State.DRAINING,
        },
    ),
    **_row(
        State.DEGRADED,
        {
            Signal.ANSWERED: State.READY,
            Signal.EXITED: State.BACKOFF,
            Signal.STOP: State.DRAINING,
        },
    ),
    **_row(State.DRAINING, {Signal.EXITED: State.STOPPED}),
    **_row(
        State.BACKOFF,
        {
            Signal.DELAY_OVER: State.STARTING,
            Signal.START: State.STARTING,
            Signal.TOO_MANY: State.QUARANTINED,
            Signal.STOP: State.STOPPED,
        },
    ),
    **_row(
        State.QUARANTINED,
        {Signal.START: State.STARTING, Signal.STOP: State.STOPPED},
    ),
}

OWED: dict[State, frozenset[Signal]] = {
    State.STARTING: frozenset({Signal.SPAWNED, Signal.EXITED, Signal.HELD_UP}),
    State.LOADING: frozenset({Signal.ANSWERED, Signal.EXITED}),
    State.DEGRADED: frozenset({Signal.ANSWERED, Signal.EXITED}),
    State.DRAINING: frozenset({Signal.EXITED}),
    State.BACKOFF: frozenset({Signal.DELAY_OVER, Signal.TOO_MANY}),
}

ALIVE = frozenset(
    {State.LOADING, State.READY, State.BUSY, State.DEGRADED, State.DRAINING},
)

# On the way to a start, where it may be held up.
_COMING = frozenset({State.STOPPED, State.STARTING, State.DRAINING, State.BACKOFF})

_WAIT: dict[State, Wait] = {
    State.STOPPED: Wait.REFUSE,
    State.STARTING: Wait.WAIT,
    State.LOADING: Wait.WAIT,
    State.READY: Wait.GO,
    State.BUSY: Wait.GO,
    State.DEGRADED: Wait.WAIT,
    State.DRAINING: Wait.REFUSE,
    State.BACKOFF: Wait.WAIT,
    State.QUARANTINED: Wait.REFUSE,
}

_SHOWN: dict[State, TierState] = {
    State.STOPPED: TierState.DOWN,
    State.STARTING: TierState.COMING_UP,
    State.LOADING: TierState.COMING_UP,
    State.READY: TierState.READY,
    State.BUSY: TierState.READY,
    State.DEGRADED: TierState.COMING_UP,
    State.DRAINING: TierState.DOWN,
    State.BACKOFF: TierState.COMING_UP,
    State.QUARANTINED: TierState.QUARANTINED,
}


def follow(state: State, signal: Signal) -> State:
    """The state after the signal."""
    return NEXT[state, signal]


def waiter(state: State, *, wanted: bool, held: bool = False) -> Wait:
    """What somebody who needs the process is told in this state.

    `wanted`: the owner wants it to run. Stopped and draining are on the way to a new start then
    (a restart, or the moment before the first one), so waiting is worth while. `held`: it was not
    let in the last time, and nobody knows when there will be room, so nobody waits for that.
    """
    if held and state in _COMING:
        return Wait.REFUSE
    if wanted and state in (State.STOPPED, State.DRAINING):
        return Wait.WAIT
    return _WAIT[state]


def shown(state: State, *, wanted: bool, held: bool = False) -> TierState:
    """The state in the words of a tier."""
    if held and state in _COMING:
        return TierState.DOWN
    if wanted and state in (State.STOPPED, State.DRAINING):
        return TierState.COMING_UP
    return _SHOWN[state]


def lost(state: State, *, died: bool) -> bool:
    """Whether it was there and is not: being looked at, or dead and not back yet."""
    return state is State.DEGRADED or (died and state not in (State.READY, State.BUSY))


def delay_seconds(deaths_in_a_row: int, random: Callable[[], float]) -> float:
    """How long to wait before the next start: 1 s, doubling to 60 s, with jitter.

    `random` gives numbers in [0, 1), so that several machines do not come back in step.
    """
    doublings = min(max(deaths_in_a_row, 1) - 1, 16)  # 2**16 s is far past the ceiling
    nominal = min(DELAY_SECONDS_FIRST * 2.0**doublings, DELAY_SECONDS_MAX)
    return nominal * (1.0 - JITTER + 2.0 * JITTER * random())


def in_a_row(deaths_before: int, *, ready_seconds: float) -> int:
    """Deaths in a row, this one included; a run that was ready long enough starts a new count."""
    return 1 if ready_seconds >= STABLE_SECONDS else deaths_before + 1


def load_seconds(model_bytes: int) -> float:
    """How long a model of this size may take until its first token: from a slow disk."""
    return LOAD_SECONDS_MIN + model_bytes / LOAD_BYTES_PER_SECOND


def stranded_bytes(before: int, after: int, *, expected: int) -> int:
    """Wired memory that a dead server has left behind; 0 if it is less than half of its own.

    `before` its start and `after` its death, as the system tells it. Both figures move by
    themselves, so little is nothing.
    """
    left = after - before
    return left if left >= max(STRANDED_BYTES_MIN, expected // 2) else 0


def recent(deaths: Sequence[float], *, now: float) -> tuple[float, ...]:
    """The deaths (monotonic seconds) that still count towards quarantine."""
    return tuple(at for at in deaths if now - at < DEATHS_WITHIN_SECONDS)


def too_many(deaths: Sequence[float], *, now: float) -> bool:
    """True when another restart would only be the next lap of a loop."""
    return len(recent(deaths, now=now)) >= DEATHS_MAX
