"""The presets row by row, the owner's order, and what is said of rules that do not decide."""

from __future__ import annotations

import pytest

from tests.router.specs import FRONTIER, LOCAL, READY, task
from tests.router.test_tree import NAMES, tiers
from twotier.domain.decision import Because, Decision
from twotier.domain.known import NOTHING, Known, Spread
from twotier.domain.task import Task
from twotier.domain.tier import TierFacts, TierPolicy, TierState
from twotier.router import gain, record, seconds, session
from twotier.router.own import Own
from twotier.router.row import Abstains, Choice, Row
from twotier.router.rows import DEFAULT, PRESETS, ROWS, Rules, rules_of
from twotier.router.tree import Router

ARTICLE = Router(NAMES, rules_of("article"))
USUAL = Router(NAMES)
LONG = Known(output=Spread(9_000, 12_000, 7, "record"))


def said(decision: Decision, effect: str) -> dict[str, str]:
    """The rules with this effect, and their sentences."""
    return {one.rule: one.text for one in decision.because if one.effect == effect}


@pytest.mark.parametrize(
    ("seen", "known", "rule", "first"),
    [
        (task(kind="polling"), NOTHING, "polling", "local"),
        (task(kind="polling"), LONG, "polling", "local"),
        (task(kind="bulk-write"), NOTHING, "bulk-write", "frontier"),
        (task(), LONG, "bulk-write", "frontier"),
        (task(kind="read-report"), LONG, "bulk-write", "frontier"),
        (task(kind="frontier-reasoning"), NOTHING, "frontier-reasoning", "frontier"),
        (task(kind="read-report"), NOTHING, "read-report", "local"),
        (task(kind="read-report", job="x"), NOTHING, "read-report", "local"),
        (task(), NOTHING, "default", "frontier"),
        (task(job="x"), NOTHING, "default", "frontier"),
    ],
)
def test_the_preset_of_the_article_is_its_tree(
    seen: Task, known: Known, rule: str, first: str
) -> None:
    """Polling first, then 500 lines, frontier reasoning, reading and reporting, and the rest."""
    decision = ARTICLE.decide(seen, READY, known=known)
    assert (decision.rule, tiers(decision)[0]) == (rule, first)
    assert decision.verify is (first == "local")


def test_the_article_asks_nothing_else() -> None:
    """No row of ours stands between its rows."""
    assert [row.name for row in ARTICLE.rules.rows] == [
        "polling", "bulk-write", "frontier-reasoning", "read-report", "default",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "rule", "first"),
    [
        (task(kind="polling"), "polling", "local"),
        (task(kind="polling", job="x", kind_from="trigger"), "polling", "local"),
        (task(kind="polling", job="x", kind_from="words"), "unproven", "frontier"),
        (task(kind="read-report", job="x", kind_from="words"), "unproven", "frontier"),
        (task(kind="read-report", kind_from="words"), "read-report", "local"),
        (task(kind="bulk-write"), "bulk-write", "frontier"),
        (task(kind="frontier-reasoning"), "frontier-reasoning", "frontier"),
        (task(job="x"), "unproven", "frontier"),
        (task(), "default", "frontier"),
    ],
)
def test_the_usual_preset_believes_no_words_of_a_job(seen: Task, rule: str, first: str) -> None:
    """Watchers start local because their trigger says so; what nobody labelled stays on the
    frontier until its record proves the local tier.
    """
    decision = USUAL.decide(seen, READY)
    assert (decision.rule, tiers(decision)[0]) == (rule, first)


def test_the_rows_that_know_are_asked_before_those_that_guess() -> None:
    """What they say when nothing is known comes out only to explain."""
    stored = USUAL.decide(task(kind="read-report"), READY)
    assert [one.rule for one in stored.because] == ["read-report"]
    told = USUAL.decide(task(kind="read-report"), READY, explain=True)
    assert [(one.rule, one.effect) for one in told.because] == [
        ("fit", "passed"),
        ("fit", "passed"),
        ("time", "abstained"),
        ("session", "abstained"),
        ("record", "abstained"),
        ("unproven", "passed"),
        ("polling", "passed"),
        ("bulk-write", "passed"),
        ("frontier-reasoning", "passed"),
        ("read-report", "chose"),
    ]
    assert said(told, "passed")["bulk-write"].endswith("about 600 tokens, 50 lines")
    assert told.options == stored.options


@pytest.mark.parametrize("look", [seconds.decide, session.decide, record.decide, gain.decide])
def test_what_knows_nothing_says_so(look: object) -> None:
    """Never a guess in place of knowledge."""
    said = look(task(), NOTHING, tiers=[LOCAL, FRONTIER])  # type: ignore[operator]
    assert isinstance(said, Abstains)
    assert said.text


def sure_of_local(task: Task, known: Known, *, tiers: object) -> Choice:
    """A row that knows."""
    return Choice("9 of 9 were right", tier="local", sure=True)


def test_a_row_that_is_sure_needs_no_check_and_may_name_a_tier() -> None:
    """The tier it names comes first, its side behind it, then the other side."""
    router = Router(NAMES, Rules((Row("record", look=sure_of_local),)))
    decision = router.decide(task(), READY)
    assert (decision.rule, tiers(decision), decision.verify) == (
        "record", ["local", "frontier"], False,
    )  # fmt: skip
    assert said(decision, "chose") == {"record": "9 of 9 were right"}


def test_an_unsure_choice_that_ends_on_the_frontier_needs_no_check() -> None:
    """Its local tier is down: who answers first counts."""
    down = {**READY, "local": TierFacts("local", TierState.DOWN, "gone")}
    decision = USUAL.decide(task(kind="polling"), down)
    assert (tiers(decision), decision.verify) == (["frontier", "local"], False)


def test_a_policy_is_no_guess() -> None:
    """It stands before every row, and nothing is checked because of it."""
    seen = task(policy=TierPolicy.LOCAL_THEN_FRONTIER, kind="bulk-write")
    decision = USUAL.decide(seen, READY, known=LONG)
    assert (decision.rule, tiers(decision)[0], decision.verify) == ("policy", "local", False)


def names(rules: Rules) -> list[str]:
    return [row.name for row in rules.rows]


def test_the_owner_reorders_adds_and_switches_off() -> None:
    """Named rules first, the others as the preset has them, the default last."""
    assert names(rules_of(order=["gain", "read-report"], off=["session"])) == [
        "gain", "read-report", "time", "record", "unproven", "polling", "bulk-write",
        "frontier-reasoning", "default",
    ]  # fmt: skip
    assert names(rules_of("article", order=["record"]))[0] == "record"
    assert names(DEFAULT) == [name for name in PRESETS["default"] if name != "rules"]
    assert set(names(DEFAULT)) == set(ROWS)


def test_the_owners_rules_stand_where_the_order_puts_them() -> None:
    """By their names, or all the others of them where `rules` stands."""
    own = [Own("a", side="local"), Own("b", side="local"), Own("c", side="local")]
    assert names(rules_of("article", own=own))[:4] == ["a", "b", "c", "polling"]
    order = ["polling", "c", "bulk-write", "rules"]
    assert names(rules_of("article", order=order, own=own))[:5] == [
        "polling", "c", "bulk-write", "a", "b",
    ]  # fmt: skip


def test_a_rule_of_the_owners_that_cannot_is_always_told() -> None:
    """It matched, and the tier it names is no option: that is stored too."""
    rules = rules_of(own=[Own("here", "{odd} braces", tier="local")])
    seen = task(images=1)
    decision = Router(NAMES, rules).decide(seen, READY)
    assert tiers(decision) == ["frontier"]
    assert Because(
        "here", "abstained", "it names local, which is no option here: {odd} braces"
    ) in list(decision.because)


def test_a_rule_of_the_owners_that_does_not_apply_shows_its_conditions() -> None:
    """Only to explain."""
    rules = rules_of(own=[Own("night", side="local", clients=["ci-{x}"], tools=True)])
    told = Router(NAMES, rules).decide(task(), READY, explain=True)
    assert said(told, "passed")["night"] == "client ci-{x}, with tools"
