"""What a look at somebody else's server means, and whether its owner is asked to start it anew.

Pure: what was seen in, a verdict out. The owner comes first: a server he starts again by himself is
left to him, one that a person stopped stays stopped, one that works or still loads is left alone.
Only a server that runs, does not load any more, does nothing and does not answer is nudged: after
the second failed look, then with a delay that doubles from a minute to an hour, and after five
nudges without an answer in between not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from twotier.supervisor.owner import Told

LOOKS_BEFORE = 2
DELAY_SECONDS_FIRST = 60.0
DELAY_SECONDS_MAX = 3_600.0
NUDGES_MAX = 5
IDLE_SHARE_MAX = 0.02  # of one core while it was asked: less than this is doing nothing


class Standing(StrEnum):
    """How somebody else's server stands."""

    READY = "ready"
    BUSY = "busy"  # it works and has no time for our question
    LOADING = "loading"
    AWAITED = "awaited"  # it ended, and its owner starts it again
    DOWN = "down"
    HUNG = "hung"
    GIVEN_UP = "given-up"  # nudged as often as may be


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. `failed` is why no token came, empty if one came. `age_seconds` is how long its
    process has run, `busy_share` how much of a core it used while it was asked; None: unknown.
    `in_use`: it listens, and requests of ours are in it.
    """

    failed: str
    told: Told
    age_seconds: float | None = None
    busy_share: float | None = None
    in_use: bool = False


@dataclass(frozen=True, slots=True)
class Nudges:
    """What was done about it so far: failed looks in a row, nudges since its last answer."""

    failed_looks: int = 0
    count: int = 0
    last_at: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it stands, why in one sentence, and whether it is nudged now."""

    standing: Standing
    because: str = ""
    nudge: bool = False


def standing(seen: Seen, *, load_seconds: float) -> Standing:
    """How it stands by this look alone."""
    if not seen.failed:
        return Standing.READY
    told = seen.told
    if told.running is False:
        return Standing.AWAITED if told.respawns else Standing.DOWN
    if told.running is None:
        # Nobody can see whether it works. Our own requests may be what it is busy with; if it is
        # dead they meet their own limits.
        return Standing.BUSY if seen.in_use else Standing.DOWN
    if seen.age_seconds is not None and seen.age_seconds < load_seconds:
        return Standing.LOADING
    if seen.busy_share is not None and seen.busy_share > IDLE_SHARE_MAX:
        return Standing.BUSY
    return Standing.HUNG


def judge(
    seen: Seen, nudges: Nudges, *, now: float, load_seconds: float, owner: str
) -> tuple[Verdict, Nudges]:
    """The verdict on a look, and the count after it."""
    stands = standing(seen, load_seconds=load_seconds)
    if stands is Standing.READY:
        return Verdict(stands), Nudges()
    because = said(stands, seen, owner=owner)
    if stands is not Standing.HUNG:
        return Verdict(stands, because), replace(nudges, failed_looks=0)
    after = replace(nudges, failed_looks=nudges.failed_looks + 1)
    if nudges.count >= NUDGES_MAX:
        text = f"{because}; started anew {nudges.count} times without an answer, so no more"
        return Verdict(Standing.GIVEN_UP, text), after
    if after.failed_looks < LOOKS_BEFORE or now < due(nudges):
        return Verdict(stands, because), after
    return (
        Verdict(stands, f"{because}; {owner} is asked to start it anew", nudge=True),
        Nudges(count=nudges.count + 1, last_at=now),
    )


def due(nudges: Nudges) -> float:
    """From when (monotonic seconds) the next nudge may be."""
    if nudges.last_at is None:
        return 0.0
    delay = DELAY_SECONDS_FIRST * 2.0 ** (nudges.count - 1)
    return nudges.last_at + min(delay, DELAY_SECONDS_MAX)


def said(stands: Standing, seen: Seen, *, owner: str) -> str:
    """The sentence for people."""
    last = f"; last time {seen.told.last_end}" if seen.told.last_end else ""
    match stands:
        case Standing.AWAITED:
            return f"it does not run, and {owner} starts it again{last}"
        case Standing.LOADING:
            return f"loading for {seen.age_seconds or 0:.0f} s{last}"
        case Standing.BUSY:
            whom = "us" if seen.in_use else "somebody else"
            return f"it works for {whom} and had no time for our question: {seen.failed}"
        case Standing.HUNG:
            return f"it hangs: it runs, does nothing, and {seen.failed}"
        case _ if seen.told.running is False:
            return f"it does not run, and {owner} does not start it by itself{last}"
    return f"{seen.failed}{last}"
