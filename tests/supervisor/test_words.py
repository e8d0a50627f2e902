"""Where a kept process stands, in one sentence."""

from __future__ import annotations

import pytest

from twotier.supervisor.policy import State
from twotier.supervisor.words import Standing, because

DIED = "killed with SIGKILL"


@pytest.mark.parametrize(
    ("standing", "says"),
    [
        (Standing(State.LOADING, True, since_seconds=3.2), "loading for 3 s"),
        (Standing(State.STARTING, True, cause=DIED), f"loading for 0 s after: {DIED}"),
        (Standing(State.READY, True, cause=DIED), ""),
        (Standing(State.BUSY, True), ""),
        (Standing(State.DEGRADED, True, suspicion="slow"), "being looked at: slow"),
        (
            Standing(State.BACKOFF, True, cause=DIED, wait_seconds=4.4),
            f"starting again in 4 s; {DIED}",
        ),
        (
            Standing(State.BACKOFF, True, held="no room", cause=DIED, wait_seconds=9),
            "held up: no room; looks again in 9 s",
        ),
        (
            Standing(State.QUARANTINED, True, cause=DIED, deaths=5),
            f"not started again by itself (5 deaths); {DIED}",
        ),
        (Standing(State.STOPPED, False), "stopped"),
        (Standing(State.STOPPED, False, cause=DIED), f"stopped; {DIED}"),
        (Standing(State.STOPPED, True), "stopped"),
        (Standing(State.STOPPED, True, held="unloaded"), "unloaded"),
        (Standing(State.DRAINING, True, held="unloaded"), "unloaded"),
        (Standing(State.DRAINING, False), "stopping"),
    ],
)
def test_each_standing_has_its_sentence(standing: Standing, says: str) -> None:
    assert because(standing) == says
