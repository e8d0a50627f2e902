"""The router is a pure function; every row of the tree and every constraint is a plain case."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from twotier.domain.decision import Decision
from twotier.domain.message import Request
from twotier.domain.money import FREE, Price
from twotier.domain.task import Caller
from twotier.domain.tier import Load, TierFacts, TierPolicy, TierSpec, TierState, nears
from twotier.engines.base import Settings
from twotier.router.estimate import estimate
from twotier.router.names import Names
from twotier.router.rows import PRESETS, ROWS, rules_of
from twotier.router.rules import KINDS
from twotier.router.tree import Router, ready_behind
from twotier.supervisor.policy import SMALLER_MAX

PRICE = Price(5_000_000, 25_000_000, 500_000, 6_250_000, 10_000_000, "2026-02-05", "test")
LOCAL = TierSpec(
    name="local",
    provider="mlx-local",
    model="lmstudio-community/MiniMax-M2.5-MLX-4bit",
    model_upstream="default_model",
    dialect="openai_chat",
    local=True,
    price=FREE,
    window_tokens=196_608,
    output_tokens_default=4_096,
    stream_always=True,
    can_images=False,
    can_tools=True,
    connect_seconds=5,
    first_token_seconds=60,
    idle_seconds=30,
    total_seconds=600,
)
FRONTIER = dataclasses.replace(
    LOCAL,
    name="frontier",
    provider="anthropic",
    model="claude-opus-4-6",
    model_upstream="claude-opus-4-6",
    dialect="anthropic_messages",
    local=False,
    price=PRICE,
    window_tokens=200_000,
    can_images=True,
)
NAMES = Names(
    (LOCAL, FRONTIER),
    {"opus": "frontier", "m25": "local", "haiku": "anthropic/claude-haiku-4-5"},
    lambda provider, model: (provider, model) == ("anthropic", "claude-haiku-4-5"),
)
ROUTER = Router(NAMES)
LOCAL_ONLY = Caller(policy=TierPolicy.LOCAL_ONLY)
READY = {name: TierFacts(name, TierState.READY) for name in ("local", "frontier")}


def ask(
    text: str = "",
    *,
    model: str = "auto",
    caller: Caller | None = None,
    text_bytes: int = 200,
    images: int = 0,
) -> Decision:
    """The decision for a request with this text."""
    request = Request(
        "openai_chat", b"{}", model, head_text=text, text_bytes=text_bytes, images=images
    )
    return ROUTER.decide(estimate(request, caller or Caller()), READY)


def tiers(decision: Decision) -> list[str]:
    return [option.tier for option in decision.options]


@pytest.mark.parametrize(
    ("text", "rule", "order"),
    [
        ("Check GitHub Discussions for new comments", "polling", ["local", "frontier"]),
        ("Is there anything new in my inbox?", "polling", ["local", "frontier"]),
        ("Refactor this module, output in full", "bulk-write", ["frontier", "local"]),
        ("Write a long blog post about rivers", "bulk-write", ["frontier", "local"]),
        ("Compile a morning market brief", "frontier-reasoning", ["frontier", "local"]),
        ("Find the root cause of this outage", "frontier-reasoning", ["frontier", "local"]),
        ("Summarise this page", "read-report", ["local", "frontier"]),
        ("Good morning!", "default", ["frontier", "local"]),
    ],
)
def test_every_row_of_the_articles_tree(text: str, rule: str, order: list[str]) -> None:
    """Polling and reading stay local; bulk, reasoning and the unknown go to the frontier."""
    decision = ask(text)
    assert (decision.rule, tiers(decision)) == (rule, order)
    assert decision.because[-1].rule == rule


def test_each_kind_has_a_row_and_the_last_row_takes_everything() -> None:
    """No kind can fall through the table."""
    for preset in PRESETS.values():
        assert preset[-1] == "default"
        assert set(preset) >= KINDS
    assert ROWS["default"].when is None


@pytest.mark.parametrize(
    ("name", "tier", "model"),
    [
        ("local", "local", ""),
        ("frontier", "frontier", ""),
        ("opus", "frontier", ""),
        ("m25", "local", ""),
        ("anthropic/claude-opus-4-6", "frontier", ""),
        ("claude-opus-4-6", "frontier", ""),
        ("mlx-local/lmstudio-community/MiniMax-M2.5-MLX-4bit", "local", ""),
        ("lmstudio-community/MiniMax-M2.5-MLX-4bit", "local", ""),
        ("local/lmstudio-community/MiniMax-M2.5-MLX-4bit", "local", ""),
        ("claude-haiku-4-5", "frontier", "claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5", "frontier", "claude-haiku-4-5"),
        ("haiku", "frontier", "claude-haiku-4-5"),
    ],
)
def test_a_name_is_obeyed(name: str, tier: str, model: str) -> None:
    """Tier, alias, full ref split at the first slash, bare id, and a priced vendor pass-through."""
    decision = ask("Summarise this", model=name)
    assert decision.rule == "explicit"
    assert [(option.tier, option.model) for option in decision.options] == [(tier, model)]


@pytest.mark.parametrize("name", ["gpt-9", "anthropic/claude-unpriced", "mlx-local/other", "x/y"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_offered(name: str) -> None:
    """Never a guess: 404, with the names that would work."""
    decision = ask("hello", model=name)
    assert decision.options == ()
    assert decision.refusal_code == "model_not_found"
    assert "opus" in decision.refusal
    assert name in decision.refusal


def test_local_only_never_reaches_the_frontier_whatever_is_asked() -> None:
    """`private` is a constraint: no name, failure or word brings the frontier back."""
    caller = Caller(policy=TierPolicy.LOCAL_ONLY)
    assert tiers(ask("Refactor everything in full", caller=caller)) == ["local"]
    decision = ask("hello", model="opus", caller=caller)
    assert decision.refusal_code == "forbidden"
    assert "local-only" in decision.refusal
    facts = {**READY, "local": TierFacts("local", TierState.DOWN, "killed")}
    request = Request("openai_chat", b"{}", "auto", text_bytes=10)
    assert tiers(ROUTER.decide(estimate(request, caller), facts)) == ["local"]


def test_private_work_that_is_too_long_is_told_so() -> None:
    """Its caller can shorten it; that the other tier may not see it stands behind."""
    request = Request("openai_chat", b"{}", "auto", text_bytes=10_000_000)
    decision = ROUTER.decide(estimate(request, Caller(policy=TierPolicy.LOCAL_ONLY)), READY)
    assert (decision.options, decision.refusal_code) == ((), "context_length_exceeded")
    fits, private = decision.refusal.split("; ")
    assert "do not fit its window" in fits
    assert "local-only work does not leave this machine" in private


@pytest.mark.parametrize(
    ("policy", "order"),
    [
        (TierPolicy.FRONTIER, ["frontier"]),
        (TierPolicy.LOCAL_THEN_FRONTIER, ["local", "frontier"]),
    ],
)
def test_a_policy_decides_before_the_tree(policy: TierPolicy, order: list[str]) -> None:
    """The caller's policy is an order, the tree is a guess."""
    decision = ask("Check for new mail", caller=Caller(policy=policy))
    assert (decision.rule, tiers(decision)) == ("policy", order)


def test_what_does_not_fit_is_not_asked() -> None:
    """Window, images and tools are constraints with a sentence each."""
    assert tiers(ask("Summarise", images=1)) == ["frontier"]
    decision = ask("Summarise", model="local", images=1)
    assert decision.refusal_code == "invalid_request"
    assert "images" in decision.refusal
    assert tiers(ask("Summarise", text_bytes=198_000 * 4)) == ["frontier"]
    decision = ask("Summarise", text_bytes=400_000 * 4)
    assert decision.refusal_code == "context_length_exceeded"
    assert "200000" in decision.refusal
    assert "196608" in decision.refusal


def test_a_tier_without_tools_is_not_given_any() -> None:
    """Tool support as known, never hoped."""
    plain = dataclasses.replace(LOCAL, can_tools=False)
    router = Router(dataclasses.replace(NAMES, tiers=(plain, FRONTIER)))
    request = Request("openai_chat", b"{}", "auto", tools=2, head_text="Check for new mail")
    decision = router.decide(estimate(request, Caller(kind="polling")), READY)
    assert tiers(decision) == ["frontier"]
    assert any(one.rule == "fallback" for one in decision.because)


BELOW = "not for tool work: its probe passed single 33 % of 90 %"


@pytest.mark.parametrize(
    ("model", "caller", "tools", "order"),
    [
        ("auto", Caller(kind="polling"), 2, ["frontier"]),
        ("auto", Caller(kind="polling"), 0, ["local", "frontier"]),
        ("auto", Caller(kind="polling", probe=True), 2, ["local", "frontier"]),
        ("local", Caller(probe=True), 2, ["local"]),
        ("frontier", Caller(), 2, ["frontier"]),
        ("haiku", Caller(), 2, ["frontier"]),
    ],
)
def test_a_tier_below_the_bar_gets_no_tools(
    model: str, caller: Caller, tools: int, order: list[str]
) -> None:
    """Only where tools are offered, and never in the way of the next probe."""
    router = Router(NAMES, untooled={"local": BELOW})
    request = Request("openai_chat", b"{}", model, tools=tools, text_bytes=9)
    assert tiers(router.decide(estimate(request, caller), READY)) == order


def test_an_order_for_a_tier_below_the_bar_is_refused_aloud() -> None:
    """By name or by policy: never given to another tier, and the figures are said."""
    request = Request("openai_chat", b"{}", "m25", tools=1)
    router = Router(NAMES, untooled={"local": BELOW})
    decision = router.decide(estimate(request, Caller()), READY)
    assert (decision.options, decision.refusal_code) == ((), "invalid_request")
    assert BELOW in decision.refusal
    only = estimate(msgspec.structs.replace(request, model="auto"), LOCAL_ONLY)
    assert BELOW in router.decide(only, READY).refusal


def test_another_model_of_a_probed_tier_was_not_probed() -> None:
    """A pass-through keeps its tools."""
    router = Router(NAMES, untooled={"frontier": BELOW})
    request = Request("openai_chat", b"{}", "haiku", tools=1)
    assert tiers(router.decide(estimate(request, Caller()), READY)) == ["frontier"]


def test_an_unknown_price_is_refused_not_free() -> None:
    """A tier without a price is taken away, with the command that sets it."""
    dear = dataclasses.replace(FRONTIER, price=None)
    router = Router(dataclasses.replace(NAMES, tiers=(dear,)))
    request = Request("openai_chat", b"{}", "frontier")
    decision = router.decide(estimate(request, Caller()), READY)
    assert decision.refusal_code == "price_unknown"
    assert "`twotier prices set anthropic/claude-opus-4-6 input=" in decision.refusal


def test_the_sick_go_last_and_those_coming_up_keep_their_place() -> None:
    """Health only orders: what binds is asked when the tier is."""
    request = Request("openai_chat", b"{}", "auto", head_text="Summarise this")
    task = estimate(request, Caller())
    facts = {**READY, "local": TierFacts("local", TierState.QUARANTINED, "died 5 times")}
    decision = ROUTER.decide(task, facts)
    assert tiers(decision) == ["frontier", "local"]
    assert any("died 5 times" in one.text for one in decision.because)
    facts = {**READY, "local": TierFacts("local", TierState.COMING_UP)}
    assert tiers(ROUTER.decide(task, facts)) == ["local", "frontier"]
    both = {name: TierFacts(name, TierState.DOWN) for name in READY}
    assert tiers(ROUTER.decide(task, both)) == ["local", "frontier"]


def test_one_that_was_lost_goes_last_until_it_is_back() -> None:
    """The first load is waited for; a server that died is not, where another may answer."""
    request = Request("openai_chat", b"{}", "auto", head_text="Summarise this")
    task = estimate(request, Caller())
    back_soon = TierFacts("local", TierState.COMING_UP, "starting again in 1 s", lost=True)
    decision = ROUTER.decide(task, {**READY, "local": back_soon})
    assert tiers(decision) == ["frontier", "local"]
    assert decision.because[-1].text == "local goes last: starting again in 1 s"
    alone = estimate(request, Caller(policy=TierPolicy.LOCAL_ONLY))
    assert tiers(ROUTER.decide(alone, {**READY, "local": back_soon})) == ["local"]


def test_only_a_tier_behind_that_is_ready_can_take_over() -> None:
    """What stands before is tried already; what is down or has to be waited for does not help."""
    decision = ask("Summarise this")
    assert ready_behind(0, decision, facts=READY)
    assert not ready_behind(1, decision, facts=READY)
    for state in (TierState.NO_KEY, TierState.COMING_UP):
        facts = {**READY, "frontier": TierFacts("frontier", state)}
        assert not ready_behind(0, decision, facts=facts)


def test_a_tier_that_cannot_call_tools_gets_no_work_with_tools() -> None:
    """It would answer with a text about the tool."""
    plain = dataclasses.replace(LOCAL, can_tools=False)
    router = Router(Names((plain, FRONTIER), {}, lambda _p, _m: False))
    task = estimate(Request("openai_chat", b"{}", "local", tools=1), Caller())
    decision = router.decide(task, READY)
    assert (decision.refusal_code, "cannot call tools" in decision.refusal) == (
        "invalid_request",
        True,
    )


def test_what_cannot_be_translated_goes_to_a_server_that_speaks_it() -> None:
    """Embeddings are not said in other words; the refusal names the path and the setting."""
    task = estimate(Request("openai_embeddings", b"{}", "auto"), Caller())
    refused = ROUTER.decide(task, READY)
    assert refused.refusal_code == "invalid_request"
    assert "/v1/embeddings" in refused.refusal
    speaking = dataclasses.replace(LOCAL, also=frozenset({"openai_embeddings"}))
    router = Router(Names((speaking, FRONTIER), {}, lambda _p, _m: False))
    assert tiers(router.decide(task, READY)) == ["local"]


def test_a_rule_can_be_switched_off() -> None:
    """Off means the next row decides; with all of them off the frontier answers."""
    request = Request("openai_chat", b"{}", "auto", head_text="Summarise this")
    task = estimate(request, Caller())
    assert Router(NAMES, rules_of(off=["read-report"])).decide(task, READY).rule == "default"
    decision = Router(NAMES, rules_of(off=tuple(ROWS))).decide(task, READY)
    assert (decision.rule, tiers(decision)) == ("default", ["frontier", "local"])


def test_without_any_tier_the_refusal_says_what_to_add() -> None:
    """A configuration without tiers is not a crash."""
    decision = Router(Names((), {}, lambda _p, _m: False)).decide(
        estimate(Request("openai_chat", b"{}", "auto"), Caller()), {}
    )
    assert decision.refusal_code == "no_model"
    assert "[tiers.local]" in decision.refusal


@pytest.mark.parametrize(
    ("request_", "caller", "kind"),
    [
        (
            Request("openai_chat", b"", "auto", head_text="refactor"),
            Caller(kind="polling"),
            "polling",
        ),
        (Request("openai_chat", b"", "auto", max_output_tokens=9_000), Caller(), "bulk-write"),
        (
            Request("openai_chat", b"", "auto", max_output_tokens=9_000, tools=3),
            Caller(),
            "unknown",
        ),
        (Request("openai_chat", b"", "auto", head_text="summarise", tools=1), Caller(), "unknown"),
        (
            Request("openai_chat", b"", "auto", head_text="x" * 700 + " summarise"),
            Caller(),
            "unknown",
        ),
        (Request("openai_chat", b"", "auto"), Caller(kind="nonsense"), "unknown"),
    ],
)
def test_the_kind_is_read_from_the_surest_sign(
    request_: Request, caller: Caller, kind: str
) -> None:
    """The job's word first, then the size asked for, then words; with tools nothing is guessed."""
    assert estimate(request_, caller).kind == kind


def test_the_worst_case_counts_bytes_images_and_framing() -> None:
    """A bound, not an estimate: money is reserved by it."""
    request = Request("openai_chat", b"", "auto", text_bytes=4_000, images=2)
    task = estimate(request, Caller(job="x", deadline_seconds=5))
    assert task.prompt_tokens_max == 4_000 + 2 * 5_000 + 1_000
    assert task.prompt_tokens == 1_000 + 2 * 1_600
    assert task.background


SECOND = dataclasses.replace(LOCAL, name="second")
THREE = Router(Names((LOCAL, SECOND, FRONTIER), {}, lambda _provider, _model: False))
POLL = estimate(
    Request("openai_chat", b"{}", "auto", head_text="check for new comments", text_bytes=200),
    Caller(),
)


def loaded(**waiting: int) -> dict[str, TierFacts]:
    """Three tiers that are ready; those named have two slots, both taken, and so many waiting."""
    loads = {name: Load(2, 2, 2, count, full=count >= 8) for name, count in waiting.items()}
    names = ("local", "second", "frontier")
    return {name: TierFacts(name, TierState.READY, load=loads.get(name)) for name in names}


@pytest.mark.parametrize(
    ("facts", "order", "said"),
    [
        (loaded(), ["local", "second", "frontier"], []),
        (
            loaded(local=0),
            ["second", "local", "frontier"],
            ["local goes behind its like: 2 of 2 slots taken, 0 waiting"],
        ),
        (loaded(local=1, second=3), ["local", "second", "frontier"], []),
        (
            loaded(local=8, second=3),
            ["second", "frontier", "local"],
            ["local goes last: 2 of 2 slots taken, 8 waiting"],
        ),
    ],
)
def test_a_tier_with_a_free_slot_goes_before_its_like_and_a_full_line_goes_last(
    facts: dict[str, TierFacts], order: list[str], said: list[str]
) -> None:
    """The chosen side is waited for as long as its line has room; then it is not."""
    decision = THREE.decide(POLL, facts)
    assert [option.tier for option in decision.options] == order
    assert [one.text for one in decision.because if one.rule == "health"] == said


def test_a_tier_with_a_full_line_does_not_stand_ready_behind_another() -> None:
    """Who fails at the first is asked again there, and not sent to wait in vain."""
    decision = THREE.decide(POLL, loaded())
    assert ready_behind(0, decision, facts=loaded(second=8))
    assert not ready_behind(1, decision, facts=loaded(frontier=8))


def test_a_tier_that_stands_by_is_asked_by_its_name_alone() -> None:
    """The router never chooses it, not even for work that nobody else may do."""
    coder = dataclasses.replace(LOCAL, name="coder", model="coder", standby=True)
    router = Router(Names((LOCAL, coder, FRONTIER), {}, lambda _provider, _model: False))
    facts = {**READY, "coder": TierFacts("coder", TierState.READY)}
    decision = router.decide(POLL, facts)
    assert [option.tier for option in decision.options] == ["local", "frontier"]
    request = Request("openai_chat", b"{}", "coder", text_bytes=200)
    named = router.decide(estimate(request, Caller(policy=TierPolicy.LOCAL_ONLY)), facts)
    assert [option.tier for option in named.options] == ["coder"]


def test_the_window_in_force_counts_where_it_is_smaller_for_a_while() -> None:
    """Its server was started with less after a death by memory: what fitted does not fit now."""
    squeezed = TierFacts(
        "local", TierState.READY, window_tokens=147_456, window_because="the GPU's limit"
    )
    facts = {**READY, "local": squeezed}
    for text_bytes, there in ((400_000, True), (600_000, False)):
        request = Request("openai_chat", b"{}", "local", text_bytes=text_bytes)
        decision = ROUTER.decide(estimate(request, Caller()), facts)
        assert bool(decision.options) is there
    assert decision.refusal_code == "context_length_exceeded"
    assert "do not fit its window of 147456 for now: the GPU's limit" in decision.refusal
    assert ROUTER.decide(estimate(request, Caller()), READY).options


def test_a_window_in_force_is_never_less_than_a_quarter() -> None:
    """So only prompts beyond that ask for it."""
    assert not nears(2_048, 8_192)
    assert nears(2_049, 8_192)
    for window in (2_048, 4_096, 196_608):
        assert Settings(window).smaller(SMALLER_MAX).window_tokens * 4 >= window
