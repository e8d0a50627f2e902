"""Where a kept process stands, in one sentence. Pure: the same words in status, log and refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twotier.supervisor.policy import State


@dataclass(frozen=True, slots=True)
class Standing:
    """What the sentence is made of. `since_seconds` in this state, `wait_seconds` to the next
    start; `cause` of the last death, `held` why it is not let in, `deaths` that count.
    """

    state: State
    wanted: bool
    cause: str = ""
    held: str = ""
    suspicion: str = ""
    deaths: int = 0
    since_seconds: float = 0.0
    wait_seconds: float = 0.0


def because(standing: Standing) -> str:
    """The sentence; empty where all is well."""
    write = _WRITTEN.get(standing.state)
    return write(standing) if write else ""


def _loading(now: Standing) -> str:
    after = f" after: {now.cause}" if now.cause else ""
    return f"loading for {now.since_seconds:.0f} s{after}"


def _backing_off(now: Standing) -> str:
    if now.held:
        return f"held up: {now.held}; looks again in {now.wait_seconds:.0f} s"
    return f"starting again in {now.wait_seconds:.0f} s; {now.cause}"


def _quarantined(now: Standing) -> str:
    return f"not started again by itself ({now.deaths} deaths); {now.cause}"


def _stopped(now: Standing) -> str:
    if now.wanted:
        return now.held or "stopped"
    return f"stopped; {now.cause}" if now.cause else "stopped"


_WRITTEN: dict[State, Callable[[Standing], str]] = {
    State.STARTING: _loading,
    State.LOADING: _loading,
    State.DEGRADED: lambda now: f"being looked at: {now.suspicion}",
    State.BACKOFF: _backing_off,
    State.QUARANTINED: _quarantined,
    State.STOPPED: _stopped,
    State.DRAINING: lambda now: now.held or "stopping",
}
