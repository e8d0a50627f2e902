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
from twotier.domain.message import PATHS, RELAYED
from twotier.domain.task import Task
from twotier.domain.tier import TierFacts, TierPolicy, TierSpec, TierState, nears
from twotier.router.caching import Caches
from twotier.router.names import AUTO, Names
from twotier.router.rules import TREE, Rule

OUTPUT_TOKENS_MIN = 64  # an answer shorter than this is not worth asking for
REFUSAL_CODES = {
    "fit": "context_length_exceeded",
    "able": "invalid_request",
    "price": "price_unknown",
    "private": "forbidden",
    "policy": "forbidden",
}


@dataclass(frozen=True, slots=True)
class Router:
    """The rules of one configuration, ready to decide.

    `untooled` says why a tier gets no requests with tools: its probe was below the bar. Whoever
    probes keeps it up to date. `caches` knows whose prompts come back.
    """

    names: Names
    off: frozenset[str] = field(default_factory=frozenset)
    untooled: Mapping[str, str] = field(default_factory=dict)
    caches: Caches = field(default_factory=Caches)

    def decide(self, task: Task, facts: Mapping[str, TierFacts]) -> Decision:
        """The tiers to ask, in order, and why. Pure: the same values give the same decision."""
        explicit = None
        if task.model_asked not in (AUTO, ""):
            explicit = self.names.resolve(task.model_asked)
            if explicit is None:
                return unknown(task, self.names)
        because: list[Because] = []
        tiers = self.names.tiers
        if task.tools and self.untooled and not task.probe:
            tiers = self.tooled(tiers, explicit, because=because)
        left = constrain(task, tiers, explicit=explicit, facts=facts, because=because)
        if not left:
            return refused(because)
        if explicit is not None:
            text = f"the request names {task.model_asked!r}"
            because.append(Because("explicit", "chose", text))
            return Decision((explicit,), "explicit", tuple(because))
        rule, side = self.choose(task, because)
        ordered = order(left, side, facts=facts, because=because)
        return Decision(tuple(Option(tier.name) for tier in ordered), rule, tuple(because))

    def tooled(
        self, tiers: Sequence[TierSpec], explicit: Option | None, *, because: list[Because]
    ) -> Sequence[TierSpec]:
        """The tiers whose probe does not keep them from tool work. A pass-through asks another
        model, which was not probed.
        """
        left = []
        for tier in tiers:
            below = self.untooled.get(tier.name, "")
            named = explicit is None or tier.name == explicit.tier
            if not below or (explicit is not None and explicit.model):
                left.append(tier)
            elif named:
                because.append(Because("able", "removed", f"{tier.name}: {below}"))
        return left

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
    facts: Mapping[str, TierFacts],
    because: list[Because],
) -> list[TierSpec]:
    """The tiers that may be asked at all; each one taken away leaves its reason."""
    left = []
    for tier in tiers:
        if tier.standby if explicit is None else tier.name != explicit.tier:
            continue
        # A pass-through asks for another model, whose price was looked up with its name.
        passing = explicit is not None and bool(explicit.model)
        found = hindrance(task, tier, facts=facts, passing=passing)
        if found is None:
            left.append(tier)
        else:
            because.append(Because(found[0], "removed", f"{tier.name}: {found[1]}"))
    return left


def hindrance(
    task: Task, tier: TierSpec, *, facts: Mapping[str, TierFacts], passing: bool
) -> tuple[str, str] | None:
    """The constraint that takes this tier away and its sentence, or None.

    Asked of each tier for each request, so a sentence is only made when its rule speaks.
    """
    if task.policy is TierPolicy.LOCAL_ONLY and not tier.local:
        return "private", "local-only work does not leave this machine"
    if task.policy is TierPolicy.FRONTIER and tier.local:
        return "policy", "the policy is frontier"
    if tier.price is None and not passing:
        command = f"`twotier prices set {tier.ref} input=... output=...`"
        return "price", f"no price is known for {tier.ref}; set it: {command}"
    if disabled := unable(task, tier):
        return "able", disabled
    need = task.prompt_tokens + OUTPUT_TOKENS_MIN
    # Of many texts each must fit alone, and their server knows.
    if nears(need, tier.window_tokens) and task.dialect != "openai_embeddings":
        return overflow(need, tier, facts=facts)
    return None


def overflow(
    need: int, tier: TierSpec, *, facts: Mapping[str, TierFacts]
) -> tuple[str, str] | None:
    """Whether so many tokens are too many for the window, its own or the one in force."""
    if need > tier.window_tokens:
        return "fit", f"about {need} tokens do not fit its window of {tier.window_tokens}"
    fact = facts[tier.name]
    if fact.window_tokens and need > fact.window_tokens:
        now = f"{fact.window_tokens} for now: {fact.window_because}"
        return "fit", f"about {need} tokens do not fit its window of {now}"
    return None


def unable(task: Task, tier: TierSpec) -> str:
    """What the tier cannot do that this task needs; empty where it can do all of it."""
    if task.images and not tier.can_images:
        return "cannot read images"
    if task.tools and not tier.can_tools:
        return "cannot call tools"
    if task.dialect in RELAYED and not tier.speaks(task.dialect):
        return f"its server has no /v1{PATHS[task.dialect]}; name a tier that has it (`speaks`)"
    return ""


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
    # Where there is nothing to order a look at facts is not free; nearly always all are well.
    if len(both) == 1 or calm(both, facts):
        return both
    if any(facts[tier.name].load is not None for tier in both):
        both = free_first(near, facts, because=because) + free_first(far, facts, because=because)
    sick = [tier for tier in both if not able(facts[tier.name])]
    if not sick:
        return both
    because.extend(
        Because("health", "ordered", f"{tier.name} goes last: {why(facts[tier.name])}")
        for tier in sick
        if len(sick) < len(both)
    )
    return [tier for tier in both if tier not in sick] + sick


def calm(tiers: Sequence[TierSpec], facts: Mapping[str, TierFacts]) -> bool:
    """Whether each of them would answer at once."""
    for tier in tiers:
        fact = facts[tier.name]
        if fact.state is not TierState.READY or fact.load is not None:
            return False
    return True


def free_first(
    side: Sequence[TierSpec], facts: Mapping[str, TierFacts], *, because: list[Because]
) -> list[TierSpec]:
    """Tiers of one side: one with a free slot goes before one whose slots are all taken."""
    busy = [tier for tier in side if facts[tier.name].load is not None]
    for tier in busy if len(busy) < len(side) else []:
        text = f"{tier.name} goes behind its like: {taken(facts[tier.name])}"
        because.append(Because("health", "ordered", text))
    return [tier for tier in side if tier not in busy] + busy


def taken(fact: TierFacts) -> str:
    """How busy it is, empty where a slot is free."""
    load = fact.load
    return f"{load.in_use} of {load.slots} slots taken, {load.waiting} waiting" if load else ""


def why(fact: TierFacts) -> str:
    """Why it cannot answer now."""
    return fact.because or (taken(fact) if fact.state is TierState.READY else fact.state.value)


def able(fact: TierFacts) -> bool:
    """Whether a tier can answer now or soon. One that is coming up can: it is waited for.

    One that is coming up again because it was lost is not: nobody knows how often it will be, so
    what another tier may do is done there meanwhile. Nor is one whose line is full.
    """
    if fact.load is not None and fact.load.full:
        return False
    if fact.state is TierState.READY:
        return True
    return fact.state is TierState.COMING_UP and not fact.lost


def ready_behind(number: int, decision: Decision, *, facts: Mapping[str, TierFacts]) -> bool:
    """Whether a tier behind that number of a decision can take over now, without a wait."""
    later = (facts[option.tier] for option in decision.options[number + 1 :])
    return any(fact.state is TierState.READY and able(fact) for fact in later)


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
    """Every option was taken away: say by what. First what stood in the way of a tier that may see
    it, for the caller can mend that: a prompt that is too long is no question of rights.
    """
    if not because:
        text = "no tier is configured; add [tiers.local] or [tiers.frontier]"
        return Decision((), "none", (), text, "tier_unavailable")
    places = {rule: rank for rank, rule in enumerate(REFUSAL_CODES)}
    ranked = sorted(because, key=lambda one: places[one.rule])
    text = "no tier may answer this: " + "; ".join(one.text for one in ranked)
    first = ranked[0].rule
    return Decision((), first, tuple(because), text, REFUSAL_CODES[first])
