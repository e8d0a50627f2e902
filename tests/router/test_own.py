"""The owner's rules: each condition, what a rule does, and that none can widen what another holds
here.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.router.specs import READY, task
from tests.router.test_tree import LOCAL, NAMES, tiers
from twotier.domain.decision import Decision
from twotier.domain.task import Task
from twotier.domain.tier import TierPolicy
from twotier.router.own import Own, Span, conditions, holds_of, like
from twotier.router.rows import rules_of
from twotier.router.tree import Router

NIGHT = Span(22 * 60, 6 * 60, zone="Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("own", "seen", "holds"),
    [
        ({}, task(), True),
        ({"clients": ["phone", "ci-*"]}, task(client="ci-7"), True),
        ({"clients": ["phone", "ci-*"]}, task(client="phone"), True),
        ({"clients": ["phone", "ci-*"]}, task(client="laptop"), False),
        ({"clients": ["phone"]}, task(client=""), False),
        ({"jobs": ["*"]}, task(job="brief"), True),
        ({"jobs": ["*"]}, task(job=""), False),
        ({"kinds": ["polling", "unknown"]}, task(kind="unknown"), True),
        ({"kinds": ["polling"]}, task(kind="unknown"), False),
        ({"models": ["claude-haiku-*"]}, task(model_asked="claude-haiku-4-5"), True),
        ({"models": ["claude-haiku-*"]}, task(model_asked="auto"), False),
        ({"dialects": frozenset({"anthropic_messages"})}, task(), False),
        ({"dialects": frozenset({"openai_chat"})}, task(), True),
        ({"headers": {"x-team": "ops"}}, task(headers={"x-team": "ops"}), True),
        ({"headers": {"x-team": "ops"}}, task(headers={"x-team": "dev"}), False),
        ({"headers": {"x-team": "ops"}}, task(), False),
        ({"headers": {"x-team": "*"}}, task(headers={"x-team": ""}), True),
        ({"tokens_over": 50}, task(prompt_tokens=51), True),
        ({"tokens_over": 50}, task(prompt_tokens=50), False),
        ({"tokens_under": 50}, task(prompt_tokens=49), True),
        ({"tokens_under": 50}, task(prompt_tokens=50), False),
        ({"tools": True}, task(tools=3), True),
        ({"tools": False}, task(tools=3), False),
        ({"tools": False, "jobs": ["a"]}, task(job="a"), True),
        ({"tools": False, "jobs": ["a"]}, task(job="b"), False),
        ({"span": NIGHT}, task(at=at("2026-02-02T21:30")), True),  # 22:30 in Berlin
        ({"span": NIGHT}, task(at=at("2026-02-02T12:30")), False),
        ({"span": NIGHT}, task(), False),
        ({"span": NIGHT, "local_only": True}, task(), True),
    ],
)
def test_a_rule_holds_where_all_its_conditions_do(
    own: dict[str, Any], seen: Task, *, holds: bool
) -> None:
    """Of several values any; an unknown time counts for what restricts alone."""
    assert holds_of(Own("r", **own))(seen) is holds


@pytest.mark.parametrize(
    ("span", "when", "inside"),
    [
        (Span(8 * 60, 18 * 60), "2026-02-02T08:00", True),
        (Span(8 * 60, 18 * 60), "2026-02-02T18:00", False),
        (Span(8 * 60, 24 * 60), "2026-02-02T23:59", True),
        (Span(days=frozenset({5, 6})), "2026-02-07T12:00", True),  # a Saturday
        (Span(days=frozenset({5, 6})), "2026-02-06T12:00", False),
        (Span(22 * 60, 6 * 60, frozenset({4})), "2026-02-06T23:00", True),
        (Span(22 * 60, 6 * 60, frozenset({4})), "2026-02-07T05:59", True),
        (Span(22 * 60, 6 * 60, frozenset({4})), "2026-02-07T23:00", False),
        (Span(22 * 60, 6 * 60, frozenset({6})), "2026-02-09T01:00", True),  # a Monday, of Sunday's
        (Span(0, 60, zone="America/New_York"), "2026-02-02T05:30", True),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_began(
    span: Span, when: str, *, inside: bool
) -> None:
    """Hours in the rule's zone, over midnight too."""
    assert span.test()(at(when)) is inside


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (Own("r"), ""),
        (Own("r", clients=["a", "b-*"], jobs=["j"]), "client a or b-*, job j"),
        (Own("r", kinds=["polling"], models=["m"]), "kind polling, model m"),
        (Own("r", dialects=frozenset({"openai_chat"})), "asked as openai_chat"),
        (Own("r", headers={"x-a": "1"}), "header x-a: 1"),
        (
            Own("r", tokens_over=5, tokens_under=9),
            "a prompt over 5 tokens, a prompt under 9 tokens",
        ),
        (Own("r", tools=False), "without tools"),
        (Own("r", tools=True, span=NIGHT), "with tools, 22:00-06:00 Europe/Berlin"),
        (Own("r", span=Span(days=frozenset({0, 6}))), "mon sun UTC"),
    ],
)
def test_its_conditions_in_words(own: Own, words: str) -> None:
    """What stands behind the owner's sentence."""
    assert ", ".join(conditions(own)) == words


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_a_star_stands_for_anything(pattern: str, text: str) -> None:
    """As shells have it, and never slower than one look along the text."""
    assert like(pattern, text) is fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "met"),
    [("a*b*c", "a-b-c", True), ("a*b*c", "a-c-c", False), ("a*a", "a", False), ("a", "a*", False)],
)
def test_each_part_between_stars_stands_where_it_should(
    pattern: str, text: str, *, met: bool
) -> None:
    """In its order, and no part counts twice."""
    assert like(pattern, text) is met


def decide(own: list[Own], seen: Task, **routing: Any) -> Decision:
    return Router(NAMES, rules_of(own=own, **routing)).decide(seen, READY)


@pytest.mark.parametrize(
    ("own", "order"),
    [
        (Own("r", tier="local"), ["local", "frontier"]),
        (Own("r", tier="frontier"), ["frontier", "local"]),
        (Own("r", side="local"), ["local", "frontier"]),
        (Own("r", side="frontier"), ["frontier", "local"]),
    ],
)
def test_a_rule_chooses_a_tier_or_a_side(own: Own, order: list[str]) -> None:
    """Before every row of ours; the other side stands behind, and no answer is checked for it."""
    decision = decide([own], task(kind="polling"))
    assert (decision.rule, tiers(decision), decision.verify) == ("r", order, False)
    assert decision.because[-1].text == "a rule of yours"


def test_the_first_of_two_rules_decides() -> None:
    """In the order of the file."""
    both = [Own("a", "why a", side="local"), Own("b", side="frontier")]
    decision = decide(both, task())
    assert (decision.rule, decision.because[-1].text) == ("a", "why a")


def test_a_name_stands_for_what_the_owner_says_of_it() -> None:
    """With a tier it is obeyed as if that had been named: one option, or a refusal."""
    own = [Own("small", models=["claude-haiku-*", "gpt-*"], clients=["ci"], tier="local")]
    seen = task(model_asked="gpt-9", client="ci")
    decision = decide(own, seen)
    assert (decision.rule, tiers(decision)) == ("small", ["local"])
    assert decide(own, task(model_asked="gpt-9")).refusal_code == "model_not_found"
    refused = decide(own, task(model_asked="gpt-9", client="ci", images=1))
    assert (refused.options, refused.refusal_code) == ((), "invalid_request")
    assert decide(own, task(model_asked="auto", client="ci")).rule == "default"


def test_a_name_may_stand_for_a_side() -> None:
    """Then the other side may answer where it has to."""
    own = [Own("small", models=["haiku"], side="local")]
    assert tiers(decide(own, task(model_asked="haiku"))) == ["local", "frontier"]


def test_a_name_that_stands_for_a_tier_there_is_not_here_means_itself() -> None:
    """The rule abstains, and the name is looked up as ever."""
    own = [Own("small", models=["haiku"], tier="gone")]
    decision = decide(own, task(model_asked="haiku"))
    assert (decision.rule, tiers(decision)) == ("explicit", ["frontier"])


HELD = Own("held", "my notes stay here", local_only=True, clients=["notes"])
WIDE = [
    Own("wide-tier", tier="frontier"),
    Own("wide-side", side="frontier", headers={"x-up": "*"}),
    Own("wide-name", tier="frontier", models=["*"]),
]


@pytest.mark.parametrize(
    ("model", "policy", "preset"),
    list(product(["auto", "opus", "frontier", "haiku"], TierPolicy, ["default", "article"])),
)
def test_local_only_holds_whatever_else_is_said(
    model: str, policy: TierPolicy, preset: str
) -> None:
    """No name, policy, header, order or other rule brings the frontier back."""
    seen = task(client="notes", model_asked=model, policy=policy, headers={"x-up": "1"})
    order = ["wide-tier", "wide-side"]
    for own in ([*WIDE, HELD], [HELD, *WIDE]):
        decision = decide(own, seen, preset=preset, order=order)
        assert set(tiers(decision)) <= {"local"}
        assert decision.restricted is (policy is not TierPolicy.LOCAL_ONLY)


def test_a_restriction_says_whose_it_is() -> None:
    """In the decision and in the refusal."""
    decision = decide([HELD], task(client="notes", model_asked="opus"))
    assert decision.refusal_code == "forbidden"
    assert decision.because[0].rule == "held"
    assert decision.because[0].text == "local-only: my notes stay here (client notes)"
    assert "local-only work does not leave this machine" in decision.refusal


def test_an_order_for_the_frontier_that_a_rule_forbids_is_refused() -> None:
    """It is not given to the local tier in its place: that was not asked for."""
    decision = decide([HELD], task(client="notes", policy=TierPolicy.FRONTIER))
    assert (decision.options, decision.refusal_code, decision.rule) == ((), "forbidden", "held")
    assert decision.refusal == (
        "no tier may answer this: the rule held keeps this on this machine, and the policy is"
        " frontier"
    )


def test_a_rule_knows_if_somebody_has_to_look_at_headers_or_the_clock() -> None:
    """Where none does, nobody pays for either."""
    assert not rules_of().headers
    assert not rules_of().timed
    rules = rules_of(own=[Own("a", side="local", headers={"x-a": "1"}, span=NIGHT)])
    assert rules.headers == {"x-a"}
    assert rules.timed


def test_a_standby_is_no_option_of_a_rule() -> None:
    """It is asked by its name; a meaning of a name is one."""
    coder = dataclasses.replace(LOCAL, name="coder", model="coder", standby=True)
    names = dataclasses.replace(NAMES, tiers=(*NAMES.tiers, coder))
    own = [Own("a", tier="coder", models=["gpt-9"]), Own("b", tier="coder")]
    router = Router(names, rules_of(own=own))
    facts = {**READY, "coder": READY["local"]}
    assert tiers(router.decide(task(model_asked="gpt-9"), facts)) == ["coder"]
    assert "b" in {one.rule for one in router.decide(task(), facts).because}
