"""Where a request goes: what it is taken for, what is known of such work, and the rules over both.

What is known is only asked for where the rules have a choice: whoever names a model pays nothing
for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from twotier.domain.clock import Clock
from twotier.domain.decision import Decision
from twotier.domain.known import NOTHING, Known
from twotier.domain.message import Request
from twotier.domain.task import Asking, Caller
from twotier.domain.tier import TierFacts, TierPolicy
from twotier.router.estimate import estimate
from twotier.router.names import AUTO
from twotier.router.tree import Router

Knowledge = Callable[[Asking], Known]


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
    """

    def __init__(self, router: Router, facts: Callable[[str], TierFacts], *, clock: Clock) -> None:
        self.router = router
        self.clock = clock
        self.knowledge: Knowledge = knows_nothing
        self._facts = facts

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
        facts = Facts(self._facts)
        decision = self.router.decide(task, facts, known=asking.known, explain=explain)
        if decision.restricted:
            asking = replace(asking, task=replace(task, policy=TierPolicy.LOCAL_ONLY))
        return asking, decision

    def facts(self) -> Mapping[str, TierFacts]:
        """What the tiers say of themselves from now on, each asked at most once."""
        return Facts(self._facts)
