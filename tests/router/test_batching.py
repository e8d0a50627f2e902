"""When a request may wait for a batch, how often it is looked at, and when it has to end."""

from __future__ import annotations

import pytest

from twotier.router.batching import (
    ASK_SECONDS,
    PAUSES_SECONDS,
    START_SECONDS_MIN,
    over,
    pause_seconds,
    worth,
)


@pytest.mark.parametrize(
    ("deadline", "may"),
    [(None, False), (0.0, False), (START_SECONDS_MIN - 1, False), (START_SECONDS_MIN, True)],
)
def test_only_work_with_time_may_wait(deadline: float | None, may: bool) -> None:
    assert worth(deadline) is may


def test_the_pauses_grow_and_the_last_one_goes_on() -> None:
    waited, seen = 0.0, []
    for _ in range(len(PAUSES_SECONDS) + 3):
        seen.append(pause_seconds(waited))
        waited += seen[-1]
    assert seen == [*PAUSES_SECONDS, *[PAUSES_SECONDS[-1]] * 3]
    assert seen == sorted(seen)


def test_time_to_ask_as_usual_is_kept() -> None:
    kept_ms = int(ASK_SECONDS * 1000)
    assert not over(0, kept_ms + 1)
    assert over(0, kept_ms)
