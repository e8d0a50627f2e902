"""Decisions of the past, decided again: what moves, what it would have cost and taken."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from msgspec.structs import replace

from tests.router.test_tree import FRONTIER, LOCAL, NAMES
from twotier.domain.known import NOTHING, Known, Times
from twotier.domain.message import Request
from twotier.domain.recorded import Ended, Recorded
from twotier.domain.task import Caller, Task
from twotier.domain.work import Work
from twotier.replay import Again, Move, Moved, Replay
from twotier.router.estimate import estimate
from twotier.router.own import Own, Span
from twotier.router.rows import Rules, rules_of
from twotier.router.tree import Router

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROUTER = Router(NAMES)
HERE = Ended("local", True, 2_000, 100, 0, 8.0)
THERE = Ended("frontier", True, 2_000, 100, 12_500, 4.0)


def task(**changes: object) -> Task:
    """A question of nobody knows what kind."""
    plain = estimate(Request("openai_chat", b"{}", "auto", text_bytes=8_000), Caller())
    return replace(plain, client="anna", **changes)


def past(
    first: str = "frontier",
    ended: Ended | None = THERE,
    *,
    rule: str = "default",
    known: Known = NOTHING,
    sick: tuple[str, ...] = (),
    **changes: object,
) -> Recorded:
    """One decision."""
    return Recorded(AT, task(**changes), known, first, rule, sick, ended)


def again(
    *recorded: Recorded,
    rules: Rules = ROUTER.rules,
    cached: float = 0.0,
    seconds: float | None = 20.0,
) -> Replay:
    """All of them under these rules."""
    return Again(ROUTER, {"frontier": cached}, lambda *_: seconds)(recorded, rules)


TO_LOCAL = rules_of(own=[Own("mine", side="local", clients=("anna",))])


def test_under_the_same_rules_nothing_moves() -> None:
    """Its own dollars and seconds stand on both sides."""
    found = again(past(), past("local", HERE, kind="polling", rule="polling"))
    assert found.moves == {}
    assert found.before == found.after
    assert (found.before.local, found.before.frontier) == (1, 1)
    assert (found.before.microusd, found.before.seconds) == (12_500, 12.0)
    assert found.rules_before == found.rules_after == {"default": 1, "polling": 1}


def test_what_moves_down_costs_nothing_and_takes_what_was_predicted() -> None:
    """Then, where something was, else now; where nobody knows it counts no seconds."""
    told = Known(seconds={"local": Times(1.0, 2.0, 6.0)})
    found = again(past(known=told), past(), rules=TO_LOCAL)
    assert found.moves == {
        Move("frontier", "local", "mine", "client anna", "unknown"): Moved(2, -25_000, 21.0)
    }
    assert (found.after.microusd, found.after.seconds, found.after.local) == (0, 29.0, 2)
    unknown = again(past(), rules=TO_LOCAL, seconds=None)
    assert (unknown.after.untimed, unknown.after.seconds) == (1, 0.0)


def test_what_moves_up_is_priced_by_its_own_tokens() -> None:
    """With the share in a cache that is usual there."""
    up = rules_of(own=[Own("mine", tier="frontier", jobs=("brief",))])
    one = past("local", HERE, job="brief", kind="polling", kind_from="trigger")
    found = again(one, rules=up)
    assert found.after.microusd == 2_000 * 5 + 100 * 25
    assert [move.who for move in found.moves] == ["job brief"]
    warm = again(one, rules=up, cached=0.5)
    assert warm.after.microusd == 1_000 * 5 + 500 + 100 * 25


def test_deadlines_are_missed_on_either_side() -> None:
    """By time, or because nobody answered."""
    failed = replace(THERE, ok=False)
    soon, late = past(deadline_seconds=10.0), past(ended=failed, deadline_seconds=10.0)
    found = again(soon, late, past(), rules=TO_LOCAL)
    assert (found.before.late, found.after.late) == (1, 2)


def test_refusals_come_and_go() -> None:
    """Where nothing was asked nobody knows what it would have cost."""
    found = again(past("", None, rule="fit"), past("local", None, kind="polling"))
    assert (found.before.refused, found.after.refused) == (1, 0)
    assert found.moves[Move("", "frontier", "default", "client anna", "unknown")].count == 1
    too_long = past(prompt_tokens=500_000, work=Work(2_000_000))
    found = again(too_long)
    assert (found.before.refused, found.after.refused, found.after.microusd) == (0, 1, 0)
    gone = past("other", replace(THERE, tier="other"))
    assert again(gone).moves[Move("other", "frontier", "default", "client anna", "unknown")].count


def test_who_was_sick_then_is_sick_again() -> None:
    """It goes last, whatever the rules say."""
    one = past("frontier", kind="polling", sick=("local",))
    assert again(one).moves == {}


def test_the_time_of_day_is_that_of_then() -> None:
    """A rule for the night does not hold at noon."""
    night = Span(22 * 60, 6 * 60, days=frozenset(), zone="UTC")
    rules = rules_of(own=[Own("night", side="local", clients=("anna",), span=night)])
    assert again(past(), rules=rules).moves == {}
    late = Recorded(AT.replace(hour=23), task(), NOTHING, "frontier", "default", (), THERE)
    assert len(again(late, rules=rules).moves) == 1


def test_an_unpriced_tier_costs_nothing_that_is_known() -> None:
    """The router refuses it anyway; an estimate must not fall over it."""
    unpriced = dataclasses.replace(FRONTIER, price=None)
    assert Again(ROUTER, {}, lambda *_: 1.0)._would(past(), unpriced) == Ended(
        "frontier", True, 2_000, 100, 0, 1.0
    )
    assert LOCAL.price is not None
