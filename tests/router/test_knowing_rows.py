"""The rows that look at what is known: the time, the conversation, and what the frontier adds."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from tests.router.test_tree import FRONTIER, LOCAL, LOCAL_ONLY, NAMES, ROUTER
from twotier.domain.known import NOTHING, Known, Pace, Record, Session, Spread
from twotier.domain.message import Request
from twotier.domain.task import Caller, Task
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.router import gain, seconds, session
from twotier.router.estimate import estimate
from twotier.router.row import Abstains, Choice
from twotier.router.rows import rules_of
from twotier.router.speed import Prediction
from twotier.router.tree import Router

BOTH = (LOCAL, FRONTIER)
UNPRICED = dataclasses.replace(FRONTIER, price=None)
FACTS = {tier.name: TierFacts(tier.name, TierState.READY) for tier in BOTH}


def task(**changes: object) -> Task:
    """A plain question of 2,000 tokens."""
    plain = estimate(Request("openai_chat", b"{}", "auto", text_bytes=8_000), Caller())
    return msgspec.structs.replace(plain, **changes)


def times(local: float, frontier: float | None = None) -> dict[str, Prediction]:
    """What each would take, a third of it each part."""
    found = {"local": Prediction(local / 3, local / 3, local / 3)}
    if frontier is not None:
        found["frontier"] = Prediction(0.0, 0.0, frontier)
    return found


# -- time


def test_time_speaks_against_a_local_tier_that_would_be_late() -> None:
    """With its numbers, in tokens and in lines; that there is time enough is no reason."""
    known = Known(seconds=times(90), output=Spread(500, 6_000, 9, "record"))
    said = seconds.decide(task(deadline_seconds=60), known, tiers=BOTH)
    assert said == Choice(
        "local would take about 90 s (30 s wait, 30 s to read, 30 s to write up to 6,000 tokens,"
        " which are 500 lines); the deadline is 60 s",
        "frontier",
    )
    said = seconds.decide(task(), known, tiers=BOTH)
    assert isinstance(said, Abstains)
    assert said.text.endswith("the patience of somebody who waits is 120 s")
    plain = seconds.decide(task(), Known(seconds=times(130)), tiers=BOTH)
    assert isinstance(plain, Choice)
    assert "43 s to write)" in plain.text


def test_500_lines_fall_out_of_it() -> None:
    """At 50 tokens a second and 12 a line, more than 500 lines are more than somebody waits for."""
    for lines, side in ((499, ""), (501, "frontier")):
        seen = {"local": Prediction(0.0, 0.0, lines * 12 / 50)}
        said = seconds.decide(task(), Known(seconds=seen), tiers=BOTH)
        assert (said.side if isinstance(said, Choice) else "") == side


@pytest.mark.parametrize(
    ("known", "tiers", "why"),
    [
        (Known(seconds=times(90)), (LOCAL,), "one side"),
        (NOTHING, BOTH, "not been learned"),
        (Known(seconds=times(200, 300)), BOTH, "and the frontier would take 300 s"),
    ],
)
def test_time_cannot_always_tell(known: Known, tiers: tuple[TierSpec, ...], why: str) -> None:
    """It says why."""
    said = seconds.decide(task(), known, tiers=tiers)
    assert isinstance(said, Abstains)
    assert why in said.text


# 2,000 tokens in 9 of 10 cases, 3,500 in 99 of 100; half are 1,000.
SPREAD = Spread(1_000, 2_000, 9, "unknown answers of a/m")


@pytest.mark.parametrize(
    ("deadline", "local", "output", "starts"),
    [
        (60, 20.0, SPREAD, True),  # a long one is there in time
        (60, 40.0, SPREAD, True),  # it is not, but half are before the frontier has to begin
        (60, 70.0, SPREAD, False),  # nine in ten are late
        (60, 58.0, SPREAD, False),  # nearly all would be handed over
        (60, 40.0, msgspec.structs.replace(SPREAD, count=2), False),  # no guard speaks of so few
        (60, 40.0, msgspec.structs.replace(SPREAD, p50=2_000), True),
        (None, 110.0, SPREAD, True),  # patience has no edge
    ],
)
def test_a_start_has_to_leave_time_for_another(
    deadline: float | None, local: float, output: Spread, starts: bool
) -> None:
    """At the deadline an answer is none: a long one must be in time, or half of them before the
    frontier has to take over the others. The bench asks this very row.
    """
    seen = {"local": Prediction(0.0, 0.0, local), "frontier": Prediction(1.0, 0.0, 16.0)}
    known = Known(seconds=seen, output=output)
    said = seconds.decide(task(deadline_seconds=deadline), known, tiers=BOTH)
    assert isinstance(said, Abstains) is starts
    if not starts:
        assert isinstance(said, Choice)
        assert said.side == "frontier"


@pytest.mark.parametrize(
    "seen", [{"frontier": Prediction(1.0, 0.0, 50.0)}, {}], ids=["slower", "unknown"]
)
def test_a_start_is_not_refused_for_a_frontier_that_is_no_better(
    seen: dict[str, Prediction],
) -> None:
    known = Known(seconds={"local": Prediction(0.0, 0.0, 40.0), **seen}, output=SPREAD)
    said = seconds.decide(task(deadline_seconds=60), known, tiers=BOTH)
    assert isinstance(said, Abstains)


def test_a_limit_of_the_client_makes_long_answers_shorter() -> None:
    seen = {"local": Prediction(0.0, 0.0, 58.0), "frontier": Prediction(1.0, 0.0, 26.0)}
    cut = msgspec.structs.replace(SPREAD, p50=1_900)
    known = Known(seconds=seen, output=cut)
    for limit, side in ((None, Choice), (1_600, Abstains)):
        asked = task(deadline_seconds=60, output_tokens_asked=limit)
        assert type(seconds.decide(asked, known, tiers=BOTH)) is side


def test_the_slower_of_two_like_it_goes_behind_where_it_would_be_late() -> None:
    """Whichever rule decides, and in both sides; a tier that was named stays first."""
    other, cloud = (
        dataclasses.replace(one, name=name) for one, name in ((LOCAL, "other"), (FRONTIER, "cloud"))
    )
    router = Router(dataclasses.replace(NAMES, tiers=(LOCAL, other, FRONTIER, cloud)))
    facts = {name: TierFacts(name, TierState.READY) for name in ("other", "cloud")} | FACTS
    took = {"local": 90.0, "other": 30.0, "frontier": 80.0, "cloud": 70.0}
    seen = {name: Prediction(0.0, 0.0, one) for name, one in took.items()}
    polling = task(kind="polling", kind_from="trigger", deadline_seconds=60)
    decision = router.decide(polling, facts, known=Known(seconds=seen))
    assert [one.tier for one in decision.options] == ["other", "local", "cloud", "frontier"]
    assert [one.text for one in decision.because if one.effect == "ordered"] == [
        "local goes behind its like: it would take about 90 s",
        "frontier goes behind its like: it would take about 80 s",
    ]
    swift = Known(seconds=seen | {name: Prediction(0, 0, 5) for name in ("frontier", "cloud")})
    decision = router.decide(polling, facts, known=swift)
    assert [one.tier for one in decision.options] == ["other", "local", "frontier", "cloud"]
    patient = msgspec.structs.replace(polling, deadline_seconds=None)
    decision = router.decide(patient, facts, known=Known(seconds=seen))
    assert [one.tier for one in decision.options][:2] == ["local", "other"]
    stays = Known(seconds=seen, session=Session("local", 20_000, 30.0))
    decision = router.decide(polling, facts, known=stays)
    assert (decision.rule, decision.options[0].tier) == ("session", "local")


def test_local_only_work_stays_however_long_it_takes() -> None:
    """The constraint comes before."""
    asked = msgspec.structs.replace(task(), policy=LOCAL_ONLY.policy, deadline_seconds=1.0)
    decision = ROUTER.decide(asked, FACTS, known=Known(seconds=times(9_000)))
    assert [one.tier for one in decision.options] == ["local"]


# -- session


def on(tier: str, **changes: object) -> Known:
    """A conversation there, warm and long."""
    one = Session(tier, 20_000, 30.0)
    return Known(session=msgspec.structs.replace(one, **changes), seconds=times(90))


def test_the_same_conversation_stays_on_its_tier_and_says_what_a_move_loses() -> None:
    """Both caches, in dollars and in seconds."""
    for tier in ("local", "frontier"):
        said = session.decide(task(), on(tier), tiers=BOTH)
        assert isinstance(said, Choice)
        assert said.tier == tier
        assert "a cache of 20,000 tokens" in said.text
        assert "worth $0.1000 at frontier and about 30 s of reading" in said.text
    timeless = msgspec.structs.replace(on("local"), seconds={})
    said = session.decide(task(), timeless, tiers=BOTH)
    assert isinstance(said, Choice)
    assert "about" not in said.text
    decision = ROUTER.decide(
        task(kind="read-report", kind_from="words"), FACTS, known=on("frontier")
    )
    assert (decision.rule, decision.options[0].tier) == ("session", "frontier")


def test_it_moves_up_freely() -> None:
    """As soon as a turn shows more than the local tier's work; then the tree decides."""
    said = session.decide(task(kind="frontier-reasoning"), on("local"), tiers=BOTH)
    assert isinstance(said, Abstains)
    assert "may move up" in said.text
    decision = ROUTER.decide(task(kind="frontier-reasoning"), FACTS, known=on("local"))
    assert (decision.rule, decision.options[0].tier) == ("frontier-reasoning", "frontier")


@pytest.mark.parametrize(
    ("changes", "kind", "moves"),
    [
        ({"boundary": True, "seconds": 301.0}, "read-report", True),
        ({"boundary": True, "prompt_tokens": 4_000}, "polling", True),
        ({"boundary": True}, "read-report", False),  # too much would be lost
        ({"seconds": 301.0}, "read-report", False),  # in the middle of a task
        ({"boundary": True, "seconds": 301.0}, "unknown", False),
    ],
)
def test_it_moves_down_at_a_boundary_where_little_is_lost(
    changes: dict[str, object], kind: str, moves: bool
) -> None:
    """And only for work that is the local tier's."""
    said = session.decide(task(kind=kind), on("frontier", **changes), tiers=BOTH)
    assert isinstance(said, Abstains) is moves
    if changes.get("seconds"):
        assert "is cold" in said.text


def test_a_conversation_whose_tier_is_gone_is_decided_anew() -> None:
    """As is one that begins; where there is one side there is nothing to lose."""
    said = session.decide(task(), on("other"), tiers=BOTH)
    assert said == Abstains("it was on other, which may not be asked this")
    assert isinstance(session.decide(task(), NOTHING, tiers=BOTH), Abstains)
    one = session.decide(task(), on("local"), tiers=(LOCAL,))
    assert one == Choice("the conversation is on local", tier="local")
    unpriced = (LOCAL, UNPRICED)
    said = session.decide(task(), on("local"), tiers=unpriced)
    assert isinstance(said, Choice)
    assert "worth $0.0000" in said.text


# -- gain


def test_what_is_dearer_than_it_is_worth_goes_to_the_local_tier() -> None:
    """100,000 tokens to read and a report: $0.52 for a gain of 5 % of a dollar."""
    asked = task(kind="read-report", prompt_tokens=100_000, output_tokens=800)
    said = gain.decide(asked, NOTHING, tiers=BOTH)
    assert isinstance(said, Choice)
    assert (said.side, said.sure) == ("local", False)
    assert said.text == (
        "only frontier is right in about 5% (as is usual for read-report work), which is worth"
        " $0.0500; it costs about $0.5200 now"
    )
    small = gain.decide(task(), NOTHING, tiers=BOTH)
    assert isinstance(small, Abstains)
    worth_more = gain.Gain(100_000_000)(asked, NOTHING, tiers=BOTH)
    assert isinstance(worth_more, Abstains)
    assert isinstance(gain.decide(asked, NOTHING, tiers=(LOCAL,)), Abstains)


def test_what_a_cache_holds_costs_less() -> None:
    """And the answer is as long as half of them were."""
    asked = task(prompt_tokens=30_000)
    warm = Known(session=Session("frontier", 20_000, 5.0), output=Spread(1_000, 9_000, 5, "kind"))
    tier = FRONTIER
    assert gain.cost(asked, NOTHING, tier=tier) == 30_000 * 5 + 600 * 25
    assert gain.cost(asked, warm, tier=tier) == 20_000 // 2 + 10_000 * 5 + 1_000 * 25
    elsewhere = Known(session=Session("local", 20_000, 5.0))
    assert gain.cost(asked, elsewhere, tier=tier) == 30_000 * 5 + 600 * 25
    assert gain.cost(asked, NOTHING, tier=UNPRICED) == 0


def test_its_own_record_takes_over_from_what_is_usual() -> None:
    """Ten good runs here, and little is left to gain; bad ones, and much is."""
    there = Record("frontier", good=10.0)
    for good, bad, least, most in ((10.0, 0.0, 0.0, 0.1), (2.0, 8.0, 0.5, 0.9)):
        records = {"local": Record("local", good=good, bad=bad), "frontier": there}
        share, source = gain.likely("unknown", records, names=("local", "frontier"))
        assert least <= share <= most
        assert source == "by 10 verified runs here"
    alone = {"local": Record("local", good=5.0, bad=5.0)}
    assert gain.likely("unknown", alone, names=("local", "frontier"))[0] > 0.3
    assert gain.likely("odd", {}, names=("local", "frontier"))[0] == gain.PRIOR["unknown"]


def test_a_budget_that_is_spent_too_fast_makes_dollars_dearer() -> None:
    """The same request stays on the frontier in the morning and goes to the local tier later."""
    asked = task(prompt_tokens=10_000)
    calm = Known(pace=Pace("budget daily", 0.4, 0.5))
    hot = Known(pace=Pace("budget daily", 0.9, 0.25))
    assert isinstance(gain.decide(asked, calm, tiers=BOTH), Abstains)
    said = gain.decide(asked, hot, tiers=BOTH)
    assert isinstance(said, Choice)
    assert "counts 3.6 times that: budget daily is 90% spent with 25% of its time gone" in said.text
    assert gain.pressed(Pace("x", 1.0, 0.0))[0] == 100.0


def test_the_owner_says_what_a_right_answer_is_worth() -> None:
    """The row is the same, its value is not."""
    asked = task(kind="unknown", prompt_tokens=10_000)
    for value, tier in ((1_000_000, "frontier"), (100_000, "local")):
        router = Router(NAMES, rules_of(value_microusd=value))
        decision = router.decide(asked, FACTS)
        assert decision.options[0].tier == tier


def test_the_owner_says_how_long_somebody_waits() -> None:
    """Work with a deadline has its own."""
    known = Known(seconds=times(60))
    for patience, side in ((30.0, "frontier"), (90.0, "")):
        said = seconds.Time(patience)(task(), known, tiers=BOTH)
        assert (said.side if isinstance(said, Choice) else "") == side
    patient = Router(NAMES, rules_of(patience_seconds=30.0))
    decision = patient.decide(task(kind="polling"), FACTS, known=known)
    assert (decision.rule, decision.options[0].tier) == ("time", "frontier")
