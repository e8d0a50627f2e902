"""Where a request goes: what it is taken for, what is known of such work, and the rules over both.

What is known is only asked for where the rules have a choice: whoever names a model pays nothing
for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from twotier.domain.clock import Clock
from twotier.domain.decision import Because, Decision
from twotier.domain.known import NOTHING, Known
from twotier.domain.message import Request
from twotier.domain.task import Asking, Caller
from twotier.domain.tier import TierFacts, TierPolicy
from twotier.router.estimate import estimate
from twotier.router.names import AUTO
from twotier.router.tree import Router

Knowledge = Callable[[Asking], Known]
RUNS_MAX = 10_000  # that are remembered; a run takes minutes


def knows_nothing(_: Asking) -> Known:
    """Of whatever is asked."""
    return NOTHING


class Facts(dict[str, TierFacts]):
    """What each tier says of itself now; asked of those that the router looks at."""

    def __init__(self, ask: Callable[[str], TierFacts]) -> None:
        self._ask = ask

    def __missing__(self, name: str) -> TierFacts:
        fact = self[name] = self._ask(name)
        return fact


class Deciding:
    """Decides with the rules, the facts and what is known. `knowledge` is set before the first
    request, by whoever has any; it answers at once, from memory.

    A run of which a rule of the owner's kept one request on this machine stays here with those that
    follow: what carries it on may be shorter, have no tools, come at another hour. After a restart
    whoever has the recorded decisions says `hold` of each.
    """

    def __init__(self, router: Router, facts: Callable[[str], TierFacts], *, clock: Clock) -> None:
        self.router = router
        self.clock = clock
        self.knowledge: Knowledge = knows_nothing
        self._facts = facts
        self._held: OrderedDict[str, Because] = OrderedDict()

    def __call__(
        self, request: Request, caller: Caller, *, explain: bool = False
    ) -> tuple[Asking, Decision]:
        """The request as it is understood, and where it goes. `explain`: every rule speaks."""
        task = estimate(request, caller)
        if self.router.rules.timed:
            task = replace(task, at=self.clock.now())
        asking = Asking(request, task, caller)
        if task.model_asked in (AUTO, ""):
            asking = replace(asking, known=self.knowledge(asking))
        facts, known = Facts(self._facts), asking.known
        why = self._held.get(caller.run) if self._held else None
        if why is not None and task.policy is not TierPolicy.LOCAL_ONLY:
            decision = self.router.held(task, facts, why=why, known=known, explain=explain)
        else:
            decision = self.router.decide(task, facts, known=known, explain=explain)
        if decision.restricted:
            asking = replace(asking, task=replace(task, policy=TierPolicy.LOCAL_ONLY))
            if caller.run and not explain:
                self.hold(caller.run, decision.because[0])
        return asking, decision

    def hold(self, run: str, why: Because) -> None:
        """Remember that this run is kept here."""
        if run not in self._held:
            self._held[run] = Because(why.rule, why.effect, f"{why.text}, as before in this run")
            if len(self._held) > RUNS_MAX:
                self._held.popitem(last=False)

    def facts(self) -> Mapping[str, TierFacts]:
        """What the tiers say of themselves from now on, each asked at most once."""
        return Facts(self._facts)
