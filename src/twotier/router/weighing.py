"""From verdicts to a record: what counts of them, and how much. Pure.

A judgement weighs 1 when it is new. Its weight halves with so many later verified ones, with so
many days, and with each edit of the prompt that came after it; what another model did counts a
tenth, what another version of the same server did a quarter. A failure that another tier did again
before anybody had it counts half: it cost a paid run, and where a check finds four it lets some
pass. Work that nothing has verified has no
part in it: it tells what it took, and not how good it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from twotier.domain.known import Record, Spread
from twotier.domain.verdict import BAD, GOOD, OWNER, Judgement

HALF_RUNS = 20.0
HALF_DAYS = 60.0
EDITED = 0.5
OTHER_MODEL = 0.1
OTHER_VERSION = 0.25
REDONE = 0.5
LATELY = 5
DAY_MS = 86_400_000.0
SPREAD_RUNS_MIN = 3  # of the same model and prompt; with fewer all of them have to do


class Present(msgspec.Struct, frozen=True):
    """What a tier is now, and which prompt its work has now, empty where nobody knows."""

    tier: str
    model: str
    version: str
    prompt: str
    now_ms: int


class Weighed(msgspec.Struct, frozen=True):
    """A judgement with its weight. `same`: nothing has changed since, neither model nor prompt."""

    judgement: Judgement
    weight: float
    same: bool


def weighed(past: Sequence[Judgement], present: Present) -> Iterator[Weighed]:
    """Each judgement of a tier with its weight, the newest first; `past` has the oldest first."""
    prompt, factor, edited = present.prompt, 1.0, False
    for one in reversed(past):
        if prompt and one.prompt and one.prompt != prompt:
            factor, edited = factor * EDITED, True
        prompt = one.prompt or prompt
        days = max(0.0, (present.now_ms - one.at_ms) / DAY_MS)
        weight = factor * 0.5 ** (days / HALF_DAYS)
        moved = _moved(one, present)
        yield Weighed(one, weight * moved, same=moved == 1.0 and not edited)
        if one.verified:
            factor *= 0.5 ** (1 / HALF_RUNS)


def _moved(one: Judgement, present: Present) -> float:
    if one.model != present.model:
        return OTHER_MODEL
    return 1.0 if one.version == present.version else OTHER_VERSION


def record_of(past: Sequence[Judgement], present: Present) -> Record:
    """What is known of a tier at this work. `lately` holds only what was verified since the last
    change of model, server or prompt: a change is a new chance, and the aged sums remember.
    """
    found = list(weighed(past, present))
    told = [one for one in found if one.judgement.verified]
    recent = [one.judgement for one in told if one.same][:LATELY]
    same = [one.judgement for one in found if one.same]
    took = same if len(same) >= SPREAD_RUNS_MIN else [one.judgement for one in found]
    return Record(
        tier=present.tier,
        good=sum(one.weight for one in told if one.judgement.good == GOOD),
        bad=sum(one.weight * _harm(one.judgement) for one in told),
        lately=tuple(one.good == GOOD for one in reversed(recent)),
        runs=len(past),
        output=spread([one.output_tokens for one in took]),
        seconds=spread([one.seconds for one in took]),
        steps=spread([one.steps for one in took]),
        cost_microusd=spread([one.cost_microusd for one in took], least=0.0),
        redone=tuple(one.good == BAD and one.redone for one in reversed(recent)),
        covered=next((one.redone for one in recent if one.by != OWNER), False),
    )


def _harm(one: Judgement) -> float:
    """How much of a failure it is."""
    return 0.0 if one.good == GOOD else REDONE if one.redone else 1.0


def spread(values: Sequence[float], *, least: float = 1e-9) -> Spread | None:
    """Where half and nine tenths of them lie; None for none. Fewer than `least` was not counted."""
    counted = sorted(value for value in values if value >= least)
    if not counted:
        return None
    return Spread(at(counted, 0.5), at(counted, 0.9), len(counted), "record")


def at(values: Sequence[float], share: float) -> float:
    """The value below which this share of sorted ones lies, between two of them by proportion
    (Hyndman and Fan 1996, definition 7).
    """
    place = share * (len(values) - 1)
    under = int(place)
    over = min(under + 1, len(values) - 1)
    return values[under] + (values[over] - values[under]) * (place - under)
