"""Decisions of the past under other rules: where they would have gone, and what it would have been.

Decided again is with what was recorded: the numbers of each request, what was known of it then, and
which tiers could not answer. What stayed where it was has its own dollars and seconds. What moves
is estimated: its own tokens at the other tier's price, of its prompt the share in a cache that is
usual there; and the seconds that were predicted then, else those that would be now. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from msgspec import structs

from twotier.domain.message import Usage
from twotier.domain.recorded import Ended, Recorded
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.ledger.cost import cost
from twotier.router.rows import Rules
from twotier.router.tree import Router

Seconds = Callable[[str, Ended], float | None]  # of a tier, for as many tokens


@dataclass(slots=True)
class Sums:
    """Of all decisions one way. `late` missed their deadline, or had no answer before it. Of
    `untimed` nobody knows how long they would take.
    """

    local: int = 0
    frontier: int = 0
    refused: int = 0
    microusd: int = 0
    seconds: float = 0.0
    late: int = 0
    untimed: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """Work that goes elsewhere: from tier to tier (empty: refused), and the rule that says so."""

    before: str
    after: str
    rule: str
    who: str
    kind: str


@dataclass(slots=True)
class Moved:
    """So many of one kind, and what they cost more (or less) there."""

    count: int = 0
    microusd: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Replay:
    """Both ways beside each other. `rules` counts what decided, as it was and as it would be;
    `unrecorded` for how many decisions nobody knows whether a header was there that rules ask for.
    """

    decisions: int = 0
    before: Sums = field(default_factory=Sums)
    after: Sums = field(default_factory=Sums)
    moves: dict[Move, Moved] = field(default_factory=dict)
    rules_before: Counter[str] = field(default_factory=Counter)
    rules_after: Counter[str] = field(default_factory=Counter)
    unrecorded: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Again:
    """Decides again. `cached` is the share of each tier's prompts in a cache, `seconds` predicts
    what was not predicted then.
    """

    router: Router
    cached: Mapping[str, float]
    seconds: Seconds

    def __call__(self, past: Iterable[Recorded], rules: Rules) -> Replay:
        """All of it under these rules."""
        router, found = replace(self.router, rules=rules), Replay()
        specs = {tier.name: tier for tier in self.router.names.tiers}
        for one in past:
            facts = {
                name: TierFacts(name, TierState.DOWN if name in one.sick else TierState.READY)
                for name in specs
            }
            task = structs.replace(one.task, at=one.at) if rules.timed else one.task
            decision = router.decide(task, facts, known=one.known)
            first = decision.options[0].tier if decision.options else ""
            found.decisions += 1
            found.unrecorded.update(rules.headers - one.headers)
            found.rules_before[one.rule] += 1
            found.rules_after[decision.rule] += 1
            would = one.ended
            if first != one.first:
                would = self._would(one, specs.get(first))
                moved = found.moves.setdefault(move(one, first, rule=decision.rule), Moved())
                note(moved, one.ended, after=would)
            add(found.before, one, first=one.first, ended=one.ended, specs=specs)
            add(found.after, one, first=first, ended=would, specs=specs)
        return found

    def _would(self, one: Recorded, spec: TierSpec | None) -> Ended | None:
        """What it would have come to there; None where nothing would be asked, or it never was and
        nobody knows how much it is.
        """
        if spec is None or one.ended is None:
            return None
        prompt, output = one.ended.prompt_tokens, one.ended.output_tokens
        held = round(prompt * self.cached.get(spec.name, 0.0))
        usage = Usage(prompt - held, output, cache_read_tokens=held)
        told = one.known.seconds.get(spec.name)
        seconds = told.seconds if told else self.seconds(spec.name, one.ended)
        return Ended(
            tier=spec.name,
            ok=True,
            prompt_tokens=prompt,
            output_tokens=output,
            cost_microusd=0 if spec.price is None else cost(usage, spec.price),
            seconds=-1.0 if seconds is None else seconds,
        )


def move(one: Recorded, first: str, *, rule: str) -> Move:
    """What kind of move it is."""
    task = one.task
    who = f"job {task.job}" if task.job else f"client {task.client}"
    return Move(one.first, first, rule, who, task.kind)


def note(moved: Moved, before: Ended | None, *, after: Ended | None) -> None:
    """One more of them."""
    moved.count += 1
    if before is not None:
        moved.microusd -= before.cost_microusd
        moved.seconds -= before.seconds
    if after is not None:
        moved.microusd += after.cost_microusd
        moved.seconds += max(0.0, after.seconds)


def add(
    sums: Sums,
    one: Recorded,
    *,
    first: str,
    ended: Ended | None,
    specs: Mapping[str, TierSpec],
) -> None:
    """One decision and what came, or would come, of it."""
    if not first:
        sums.refused += 1
    elif first in specs and specs[first].local:
        sums.local += 1
    else:
        sums.frontier += 1
    if ended is None:
        return
    sums.microusd += ended.cost_microusd
    if ended.seconds < 0:
        sums.untimed += 1
        return
    sums.seconds += ended.seconds
    deadline = one.task.deadline_seconds
    if deadline is not None and (ended.seconds > deadline or not ended.ok):
        sums.late += 1
