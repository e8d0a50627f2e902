"""When somebody else's server is started anew by its owner at our word: seldom, never in a war."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from twotier.supervisor.nudge import (
    DELAY_SECONDS_MAX,
    NUDGES_MAX,
    Nudges,
    Seen,
    Standing,
    Verdict,
    judge,
)
from twotier.supervisor.owner import UNTOLD, Told

OWNER = "the launchd job x"
UP = Told(True, pid=7, respawns=True)
HANGS = Seen("it took the question and did not answer", UP, age_seconds=900, busy_share=0.0)
NONE = Nudges()


def look(seen: Seen, nudges: Nudges = NONE, *, now: float = 0.0) -> tuple[Verdict, Nudges]:
    return judge(seen, nudges, now=now, load_seconds=180, owner=OWNER)


@pytest.mark.parametrize(
    ("seen", "standing", "words"),
    [
        (Seen("", UP), Standing.READY, ""),
        (Seen("no port", replace(UP, running=False)), Standing.AWAITED, "starts it again"),
        (Seen("no port", Told(False)), Standing.DOWN, "does not start it by itself"),
        (Seen("no port", UNTOLD), Standing.DOWN, "no port"),
        (Seen("503", UP, age_seconds=12), Standing.LOADING, "loading for 12 s"),
        (Seen("503", UP, 900, busy_share=0.9), Standing.BUSY, "works for somebody else"),
        (Seen("503", UNTOLD, in_use=True), Standing.BUSY, "works for us"),
        (Seen("503", UP), Standing.HUNG, "it hangs"),
        (HANGS, Standing.HUNG, "it hangs"),
    ],
)
def test_each_look_has_one_meaning(seen: Seen, standing: Standing, words: str) -> None:
    """And its sentence names what was seen; no first look ever nudges."""
    verdict, after = look(seen)
    assert verdict.standing is standing
    assert words in verdict.because
    assert not verdict.nudge
    assert after.failed_looks == (standing is Standing.HUNG)


def test_its_last_end_is_part_of_the_sentence() -> None:
    """What the owner knows is the best there is."""
    killed = Told(False, respawns=True, last_end="it was ended by a signal (Killed: 9)")
    assert "Killed: 9" in look(Seen("no port", killed))[0].because


def test_delays_grow_and_the_fifth_is_the_last() -> None:
    """Two looks, then one nudge; 1, 2, 4, 8 minutes later the next; after the fifth none at all."""
    nudges, now, at = Nudges(), 0.0, []
    while now < 20 * 3600:
        verdict, nudges = look(HANGS, nudges, now=now)
        if verdict.nudge:
            at.append(now)
        now += 35.0
    assert len(at) == NUDGES_MAX
    assert at[0] == 35.0
    waits = [later - earlier for earlier, later in pairwise(at)]
    assert all(wait >= least for wait, least in zip(waits, (60, 120, 240, 480), strict=True))
    assert verdict.standing is Standing.GIVEN_UP
    assert "no more" in verdict.because


def test_a_delay_never_passes_its_ceiling() -> None:
    """An hour, however often."""
    verdict, _ = look(HANGS, Nudges(9, count=4, last_at=0.0), now=DELAY_SECONDS_MAX)
    assert verdict.nudge


def test_an_answer_forgets_everything() -> None:
    """And what is no hang ends the row of failed looks, but not the count."""
    tired = Nudges(failed_looks=3, count=4, last_at=5.0)
    assert look(Seen("", UP), tired)[1] == Nudges()
    assert look(Seen("503", UP, 12), tired)[1] == replace(tired, failed_looks=0)
