"""The decision: task and facts in; tiers in order out, with the reason of every rule that spoke.

First the constraints take options away (`private`, `policy`, `price`, `able`, `fit`), and nothing
later brings one back. Then the first rule that can decide does: `explicit`, `policy`, the rows of
`rows`. At the end `health` only orders: a tier that cannot answer now goes behind one that can,
because a fact is old as soon as it is read. What binds is asked again when the tier is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from twotier.domain.decision import Because, Decision, Option
from twotier.domain.known import NOTHING, Known
from twotier.domain.task import Task
from twotier.domain.tier import TierFacts, TierPolicy, TierSpec, TierState
from twotier.router.caching import Caches
from twotier.router.constraints import BY_NAME, Sight, constrain, room
from twotier.router.names import AUTO, Names
from twotier.router.row import Choice
from twotier.router.rows import DEFAULT, Rules
from twotier.router.seconds import late
from twotier.router.tokens import Scales


@dataclass(frozen=True, slots=True)
class Router:
    """The rules of one configuration, ready to decide.

    `untooled` says why a tier gets no requests with tools: its probe was below the bar. Whoever
    probes keeps it up to date. `caches` knows whose prompts come back, `scales` how many tokens
    they are at each tier.
    """

    names: Names
    rules: Rules = DEFAULT
    untooled: Mapping[str, str] = field(default_factory=dict)
    caches: Caches = field(default_factory=Caches)
    scales: Scales = field(default_factory=Scales)

    def decide(
        self,
        task: Task,
        facts: Mapping[str, TierFacts],
        *,
        known: Known = NOTHING,
        explain: bool = False,
    ) -> Decision:
        """The tiers to ask, in order, and why. Pure: the same values give the same decision.

        `explain`: the rules that looked and did not decide say so too.
        """
        guard = self.rules.restricting(task) if self.rules.guards else None
        if guard is None:
            return self.free(task, facts, known=known, because=[], explain=explain)
        why = Because(guard.name, "restricted", f"local-only: {guard.text}")
        return self.held(task, facts, why=why, known=known, explain=explain)

    def held(
        self,
        task: Task,
        facts: Mapping[str, TierFacts],
        *,
        why: Because,
        known: Known,
        explain: bool,
    ) -> Decision:
        """The same for work that a rule of the owner's keeps on this machine, which is `why`. An
        order for the frontier is refused, for it cannot be obeyed.
        """
        because = [why]
        if task.policy is TierPolicy.FRONTIER:
            text = f"the rule {why.rule} keeps this on this machine, and the policy is frontier"
            because.append(Because("private", "removed", text))
            return replace(refused(because), rule=why.rule, restricted=True)
        here = replace(task, policy=TierPolicy.LOCAL_ONLY)
        decision = self.free(here, facts, known=known, because=because, explain=explain)
        rule = why.rule if decision.rule == "policy" else decision.rule
        return replace(decision, rule=rule, restricted=True)

    def free(
        self,
        task: Task,
        facts: Mapping[str, TierFacts],
        *,
        known: Known,
        because: list[Because],
        explain: bool,
    ) -> Decision:
        """The same, of work that no rule of the owner's restricts any further."""
        if task.model_asked in (AUTO, ""):
            return self.chosen(task, facts, known=known, because=because, explain=explain)
        return self.obeyed(task, facts, because=because)

    def obeyed(
        self, task: Task, facts: Mapping[str, TierFacts], *, because: list[Because]
    ) -> Decision:
        """Where a model was named: its tier or a refusal aloud, never another one."""
        meaning = self.rules.meaning(task, self.names.tiers) if self.rules.meanings else None
        if meaning is not None:
            return self.meant(task, facts, meaning=meaning, because=because)
        explicit = self.names.resolve(task.model_asked)
        if explicit is None:
            return unknown(task, self.names)
        if not self.left(task, facts, explicit=explicit, because=because):
            return refused(because)
        because.append(Because("explicit", "chose", f"the request names {task.model_asked!r}"))
        return Decision((explicit,), "explicit", tuple(because))

    def meant(
        self,
        task: Task,
        facts: Mapping[str, TierFacts],
        *,
        meaning: tuple[str, Choice],
        because: list[Because],
    ) -> Decision:
        """Where the owner said what the name stands for: a tier is obeyed as if it had been named,
        a side is a choice.
        """
        rule, choice = meaning
        explicit = Option(choice.tier) if choice.tier else None
        left = self.left(task, facts, explicit=explicit, because=because)
        if not left:
            return refused(because)
        because.append(Because(rule, "chose", choice.text))
        if explicit is not None:
            return Decision((explicit,), rule, tuple(because))
        ordered = order(left, choice, facts=facts, because=because)
        return Decision(tuple(Option(tier.name) for tier in ordered), rule, tuple(because))

    def chosen(
        self,
        task: Task,
        facts: Mapping[str, TierFacts],
        *,
        known: Known,
        because: list[Because],
        explain: bool,
    ) -> Decision:
        """Where nobody named a model: by the policy, or by the first row that can decide."""
        left = self.left(task, facts, explicit=None, because=because)
        if not left:
            return refused(because)
        if explain:
            because.extend(room(task, left, scales=self.scales))
        rule, choice = self.choose(task, known, left=left, because=because, explain=explain)
        if len(left) > 2 and known.seconds and not choice.tier:
            left = self.quick_first(left, task, known=known, because=because)
        ordered = order(left, choice, facts=facts, because=because)
        options = tuple(Option(tier.name) for tier in ordered)
        verify = ordered[0].local and not choice.sure
        return Decision(options, rule, tuple(because), verify=verify)

    def quick_first(
        self, tiers: Sequence[TierSpec], task: Task, *, known: Known, because: list[Because]
    ) -> list[TierSpec]:
        """A tier that will be late goes behind those that will not, and the quicker of those that
        all will be goes first; which side is asked first is not for this to say.
        """
        limit = task.deadline_seconds or self.rules.patience_seconds
        slow = late(known.seconds, [tier.name for tier in tiers], limit=limit)
        if not slow:
            return list(tiers)
        ordered = sorted(
            tiers, key=lambda one: known.seconds[one.name].seconds if one.name in slow else 0.0
        )
        for side in (True, False):
            before, after = (
                [one for one in some if one.local is side] for some in (tiers, ordered)
            )
            if before != after:
                moved = next(one for one, other in zip(before, after, strict=True) if one != other)
                seconds = known.seconds[moved.name].seconds
                text = f"{moved.name} goes behind its like: it would take about {seconds:,.0f} s"
                because.append(Because("time", "ordered", text))
        return ordered

    def left(
        self,
        task: Task,
        facts: Mapping[str, TierFacts],
        *,
        explicit: Option | None,
        because: list[Because],
    ) -> list[TierSpec]:
        """The tiers that the constraints leave."""
        tiers = self.names.tiers
        if task.tools and self.untooled and not task.probe:
            tiers = self.tooled(tiers, explicit, because=because)
        # A pass-through asks for another model, whose price was looked up with its name.
        passing = explicit is not None and bool(explicit.model)
        sight = Sight(task, facts, passing, self.scales)
        return constrain(sight, tiers, explicit=explicit, because=because)

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

    def choose(
        self,
        task: Task,
        known: Known,
        *,
        left: Sequence[TierSpec],
        because: list[Because],
        explain: bool,
    ) -> tuple[str, Choice]:
        """The rule that decides and what it chose; of those before it only the owner's say that
        they could not, unless it is to be explained.
        """
        if task.policy is not TierPolicy.AUTO:
            side = "frontier" if task.policy is TierPolicy.FRONTIER else "local"
            text = f"the policy is {task.policy.value}"
            because.append(Because("policy", "chose", text))
            return "policy", Choice(text, side, sure=True)
        for row in self.rules.rows:
            said = row.decide(task, known, tiers=left)
            if said is None:
                if explain:
                    because.append(Because(row.name, "passed", row.sight(task, known)))
            elif type(said) is Choice:
                because.append(Because(row.name, "chose", said.text))
                return row.name, said
            elif explain or row.own:
                because.append(Because(row.name, "abstained", said.text))
        nothing = Choice("no rule is left on", "frontier")
        because.append(Because("default", "chose", nothing.text))
        return "default", nothing


def order(
    tiers: Sequence[TierSpec],
    choice: Choice,
    *,
    facts: Mapping[str, TierFacts],
    because: list[Because],
) -> list[TierSpec]:
    """The chosen tier first, then its side, the other side behind where the policy allows it, the
    sick last.
    """
    side = choice.side
    if choice.tier:
        first = next(tier for tier in tiers if tier.name == choice.tier)
        side = "local" if first.local else "frontier"
        tiers = [first, *(tier for tier in tiers if tier is not first)]
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
        text = (
            "no tier is configured; add [tiers.local] or [tiers.frontier] to the file that"
            " `twotier config path` names"
        )
        return Decision((), "none", (), text, "no_model")
    removed = (one for one in because if one.effect == "removed")
    ranked = sorted(removed, key=lambda one: BY_NAME[one.rule].rank)
    text = "no tier may answer this: " + "; ".join(one.text for one in ranked)
    first = ranked[0].rule
    return Decision((), first, tuple(because), text, BY_NAME[first].code)
