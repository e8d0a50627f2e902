"""The row `session`: the same conversation stays on the same tier.

A move throws a cache away: the new tier has to read all that was said, and so has the old one if
work comes back. So a conversation stays where it is, but for two cases. Up, to the frontier, it may
go as soon as a turn shows work that is more than the local tier's. Down it may go where a new task
begins and little is lost by it: the cache is cold, or what was said is short.
"""

from __future__ import annotations

from collections.abc import Sequence

from twotier.domain.known import Known, Session
from twotier.domain.money import usd
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.row import Abstains, Choice

WARM_SECONDS = 300.0  # the life of a provider's cache; a local one is pushed out about as soon
SHORT_TOKENS = 4_000  # read again within seconds, for less than 3 cents
UP = frozenset({"bulk-write", "frontier-reasoning"})
DOWN = frozenset({"polling", "read-report"})
TOKENS_PER_PRICE = 1_000_000


def decide(task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:
    """Stay, or say why it may move."""
    session = known.session
    if session is None:
        return Abstains("no conversation that is known goes on here")
    tier = next((one for one in tiers if one.name == session.tier), None)
    if tier is None:
        return Abstains(f"it was on {session.tier}, which may not be asked this")
    others = [one for one in tiers if one.local != tier.local]
    if not others:
        return Choice(f"the conversation is on {tier.name}", tier=tier.name)
    costs = moving(session, tier, other=others[0], known=known)
    if tier.local and task.kind in UP:
        return Abstains(f"it is on {tier.name}, and this turn may move up ({task.kind}): {costs}")
    if not tier.local and session.boundary and task.kind in DOWN and little(session):
        return Abstains(f"a new task begins ({task.kind}), and it may move down: {costs}")
    return Choice(f"the conversation is on {tier.name}: {costs}", tier=tier.name)


def little(session: Session) -> bool:
    """Whether next to nothing is lost by a move."""
    return session.seconds > WARM_SECONDS or session.prompt_tokens <= SHORT_TOKENS


def moving(session: Session, tier: TierSpec, *, other: TierSpec, known: Known) -> str:
    """What a move would lose, in words."""
    tokens, ago = session.prompt_tokens, f"{session.seconds:,.0f} s ago"
    if session.seconds > WARM_SECONDS:
        return f"its cache of {tokens:,} tokens is cold ({ago}), so a move loses nothing"
    there = tier if other.local else other
    price = there.price
    read = price.input_microusd_per_mtok if price is not None else 0
    dollars = usd(tokens * read // TOKENS_PER_PRICE)
    timed = known.seconds.get((tier if tier.local else other).name)
    seconds = f" and about {timed.prompt_seconds:.0f} s of reading" if timed else ""
    return (
        f"a move throws a cache of {tokens:,} tokens away ({ago}); to read it anew is worth"
        f" {dollars} at {there.name}{seconds} on this machine"
    )
