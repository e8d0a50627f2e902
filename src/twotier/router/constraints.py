"""What takes a tier away, whatever comes after: a table, asked for each tier of each request.

A sentence is only made where its row speaks. None of them can be switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from twotier.domain.decision import Because, Option
from twotier.domain.message import PATHS, RELAYED
from twotier.domain.task import Task
from twotier.domain.tier import TierFacts, TierPolicy, TierSpec, nears
from twotier.router.tokens import Scales

OUTPUT_TOKENS_MIN = 64  # an answer shorter than this is not worth asking for


class Sight(msgspec.Struct, frozen=True):
    """What the constraints look at. `passing`: another model of the tier is asked for. `scales`
    know how many tokens the prompt is at a tier.
    """

    task: Task
    facts: Mapping[str, TierFacts]
    passing: bool = False
    scales: Scales = msgspec.field(default_factory=Scales)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One row: the tier is no option where `look` says why. `code` is the error's where nothing is
    left, by the constraint whose `rank` is lowest.
    """

    name: str
    code: str
    rank: int
    look: Callable[[Sight, TierSpec], str]


def private(sight: Sight, tier: TierSpec) -> str:
    """Local-only work stays here, under any failure, order or text."""
    if sight.task.policy is TierPolicy.LOCAL_ONLY and not tier.local:
        return "local-only work does not leave this machine"
    return ""


def policy(sight: Sight, tier: TierSpec) -> str:
    """Work for the frontier is done there or not at all."""
    if sight.task.policy is TierPolicy.FRONTIER and tier.local:
        return "the policy is frontier"
    return ""


def price(sight: Sight, tier: TierSpec) -> str:
    """Unknown is never free. A pass-through's price was looked up with its name."""
    if tier.price is None and not sight.passing:
        command = f"`twotier prices set {tier.ref} input=... output=...`"
        return f"no price is known for {tier.ref}; set it: {command}"
    return ""


def able(sight: Sight, tier: TierSpec) -> str:
    """What the tier cannot do that this task needs."""
    task = sight.task
    if task.images and not tier.can_images:
        return "cannot read images"
    if task.tools and not tier.can_tools:
        return "cannot call tools"
    if task.dialect in RELAYED and not tier.speaks(task.dialect):
        return f"its server has no /v1{PATHS[task.dialect]}; name a tier that has it (`speaks`)"
    return ""


def fit(sight: Sight, tier: TierSpec) -> str:
    """Whether prompt and answer are too many for the window, its own or the one in force."""
    task = sight.task
    need = task.prompt_tokens + OUTPUT_TOKENS_MIN
    # Of many texts each must fit alone, and their server knows.
    if not nears(need, tier.window_tokens) or task.dialect == "openai_embeddings":
        return ""
    need = sight.scales.tokens(task.work, tier.name) + OUTPUT_TOKENS_MIN
    if need > tier.window_tokens:
        return f"about {need} tokens do not fit its window of {tier.window_tokens}"
    fact = sight.facts[tier.name]
    if fact.window_tokens and need > fact.window_tokens:
        now = f"{fact.window_tokens} for now: {fact.window_because}"
        return f"about {need} tokens do not fit its window of {now}"
    return ""


CONSTRAINTS: tuple[Constraint, ...] = (
    Constraint("private", "forbidden", 3, private),
    Constraint("policy", "forbidden", 4, policy),
    Constraint("price", "price_unknown", 2, price),
    Constraint("able", "invalid_request", 1, able),
    Constraint("fit", "context_length_exceeded", 0, fit),
)
BY_NAME: Mapping[str, Constraint] = {one.name: one for one in CONSTRAINTS}


def constrain(
    sight: Sight, tiers: Sequence[TierSpec], *, explicit: Option | None, because: list[Because]
) -> list[TierSpec]:
    """The tiers that may be asked at all; each one taken away leaves its reason."""
    left = []
    for tier in tiers:
        if tier.standby if explicit is None else tier.name != explicit.tier:
            continue
        found = hindrance(sight, tier)
        if found is None:
            left.append(tier)
        else:
            because.append(found)
    return left


def hindrance(sight: Sight, tier: TierSpec) -> Because | None:
    """The first constraint that takes this tier away, with its sentence."""
    for constraint in CONSTRAINTS:
        if text := constraint.look(sight, tier):
            return Because(constraint.name, "removed", f"{tier.name}: {text}")
    return None


def room(task: Task, tiers: Sequence[TierSpec], *, scales: Scales) -> list[Because]:
    """What `fit` saw of the tiers that it left, to explain."""
    return [
        Because(
            "fit",
            "passed",
            f"{tier.name}: about {scales.tokens(task.work, tier.name):,} of"
            f" {tier.window_tokens:,} tokens",
        )
        for tier in tiers
    ]
