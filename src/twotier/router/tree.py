"""The decision: task and facts in; tiers in order out, with the reason of every rule that spoke.

First the constraints take options away (`private`, `policy`, `price`, `able`, `fit`), and nothing
later brings one back. Then the first rule that can decide does: `explicit`, `policy`, the tree. At
the end `health` only orders: a tier that cannot answer now goes behind one that can, because a fact
is old as soon as it is read. What binds is asked again when the tier is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twotier.domain.decision import Because, Decision, Option
from twotier.domain.task import Task
from twotier.domain.tier import TierFacts, TierPolicy, TierSpec, TierState
from twotier.router.names import AUTO, Names
from twotier.router.rules import TREE, Rule

OUTPUT_TOKENS_MIN = 64  # an answer shorter than this is not worth asking for
REFUSAL_CODES = {
    "private": "forbidden",
    "policy": "forbidden",
    "fit": "context_length_exceeded",
    "able": "invalid_request",
    "price": "price_unknown",
}


@dataclass(frozen=True, slots=True)
class Router:
    """The rules of one configuration, ready to decide."""

    names: Names
    off: frozenset[str] = field(default_factory=frozenset)

    def decide(self, task: Task, facts: Mapping[str, TierFacts]) -> Decision:
        """The tiers to ask, in order, and why. Pure: the same values give the same decision."""
        explicit = None
        if task.model_asked not in (AUTO, ""):
            explicit = self.names.resolve(task.model_asked)
            if explicit is None:
                return unknown(task, self.names)
        because: list[Because] = []
        left = constrain(task, self.names.tiers, explicit=explicit, because=because)
        if not left:
            return refused(because)
        if explicit is not None:
            text = f"the request names {task.model_asked!r}"
            because.append(Because("explicit", "chose", text))
            return Decision((explicit,), "explicit", tuple(because))
        rule, side = self.choose(task, because)
        ordered = order(left, side, facts=facts, because=because)
        return Decision(tuple(Option(tier.name) for tier in ordered), rule, tuple(because))

    def choose(self, task: Task, because: list[Because]) -> tuple[str, str]:
        """The rule that decides and the side it is for."""
        if task.policy is not TierPolicy.AUTO:
            side = "frontier" if task.policy is TierPolicy.FRONTIER else "local"
            because.append(Because("policy", "chose", f"the policy is {task.policy.value}"))
            return "policy", side
        for rule in TREE:
            if rule.name not in self.off and rule.kind in (task.kind, "*"):
                because.append(Because(rule.name, "chose", reason(rule, task)))
                return rule.name, rule.side
        because.append(Because("default", "chose", "no rule is left on"))
        return "default", "frontier"


def reason(rule: Rule, task: Task) -> str:
    """The rule's sentence with what was seen."""
    return f"{rule.text} (kind {task.kind}: {task.kind_because})"


def constrain(
    task: Task,
    tiers: Sequence[TierSpec],
    *,
    explicit: Option | None,
    because: list[Because],
) -> list[TierSpec]:
    """The tiers that may be asked at all; each one taken away leaves its reason."""
    left = []
    for tier in tiers:
        if explicit is not None and tier.name != explicit.tier:
            continue
        # A pass-through asks for another model, whose price was looked up with its name.
        passing = explicit is not None and bool(explicit.model)
        found = hindrance(task, tier, passing=passing)
        if found is None:
            left.append(tier)
        else:
            because.append(Because(found[0], "removed", f"{tier.name}: {found[1]}"))
    return left


def hindrance(task: Task, tier: TierSpec, *, passing: bool) -> tuple[str, str] | None:
    """The constraint that takes this tier away and its sentence, or None."""
    need = task.prompt_tokens + OUTPUT_TOKENS_MIN
    for rule, speaks, text in (
        (
            "private",
            task.policy is TierPolicy.LOCAL_ONLY and not tier.local,
            "local-only work does not leave this machine",
        ),
        ("policy", task.policy is TierPolicy.FRONTIER and tier.local, "the policy is frontier"),
        (
            "price",
            tier.price is None and not passing,
            f"no price is known for {tier.ref}; set [tiers.{tier.name}.price]",
        ),
        ("able", task.images > 0 and not tier.can_images, "cannot read images"),
        ("able", task.tools > 0 and not tier.can_tools, "cannot call tools"),
        (
            "fit",
            need > tier.window_tokens,
            f"about {need} tokens do not fit its window of {tier.window_tokens}",
        ),
    ):
        if speaks:
            return rule, text
    return None


def order(
    tiers: Sequence[TierSpec],
    side: str,
    *,
    facts: Mapping[str, TierFacts],
    because: list[Because],
) -> list[TierSpec]:
    """The chosen side first, the other side behind where the policy allows it, the sick last."""
    near = [tier for tier in tiers if tier.local == (side == "local")]
    far = [tier for tier in tiers if tier.local != (side == "local")]
    both = near + far
    if not near and far:
        because.append(Because("fallback", "ordered", f"no {side} tier is left"))
    sick = [tier for tier in both if not able(facts.get(tier.name))]
    for tier in sick if len(sick) < len(both) else []:
        fact = facts[tier.name]
        because.append(
            Because("health", "ordered", f"{tier.name} goes last: {fact.because or fact.state}")
        )
    return [tier for tier in both if tier not in sick] + sick


def able(fact: TierFacts | None) -> bool:
    """Whether a tier can answer now or soon. One that is coming up can: it is waited for."""
    return fact is None or fact.state in (TierState.READY, TierState.COMING_UP)


def unknown(task: Task, names: Names) -> Decision:
    """No tier, alias or priced vendor model has this name."""
    text = (
        f"no model {task.model_asked!r} here; known: {', '.join(names.known())}, "
        "or provider/model of a tier"
    )
    return Decision(
        (), "explicit", (Because("explicit", "removed", text),), text, "model_not_found"
    )


def refused(because: Sequence[Because]) -> Decision:
    """Every option was taken away: say by what, the strictest rule first."""
    if not because:
        text = "no tier is configured; add [tiers.local] or [tiers.frontier]"
        return Decision((), "none", (), text, "tier_unavailable")
    strictness = {rule: rank for rank, rule in enumerate(REFUSAL_CODES)}
    ranked = sorted(because, key=lambda one: strictness[one.rule])
    text = "no tier may answer this: " + "; ".join(one.text for one in ranked)
    first = ranked[0].rule
    return Decision((), first, tuple(because), text, REFUSAL_CODES[first])
