"""A row's bound: from the request, the tier and the price; what has no bound is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.ledger.toys import OPUS, HandClock
from twotier.attempts import Attempts
from twotier.domain.decision import Decision, Option
from twotier.domain.money import FREE, Attempt, Price
from twotier.domain.price import PLAIN
from twotier.domain.task import Asking, Caller
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.errors import PriceUnknownError, RequestError
from twotier.protocols import INBOUND
from twotier.router.caching import Caches
from twotier.router.estimate import estimate

SEARCH = {"type": "web_search_20260318", "name": "web_search", "max_uses": 3}
PRICED = replace(
    OPUS,
    fees=(("web_search", 10_000),),
    modes=(("fast", ((0, OPUS.base),)),),
    places=(("us", 110),),
)


def spec(price: Price | None, **fields: Any) -> TierSpec:
    known: dict[str, Any] = {
        "name": "frontier",
        "provider": "anthropic",
        "model": "m",
        "model_upstream": "m",
        "dialect": "anthropic_messages",
        "local": False,
        "price": price,
        "window_tokens": 200_000,
        "output_tokens_default": 1_000,
        "stream_always": False,
        "can_images": True,
        "can_tools": True,
        "connect_seconds": 1,
        "first_token_seconds": 1,
        "idle_seconds": 1,
        "total_seconds": 1,
    }
    return TierSpec(**known | fields)


def attempt(tier: TierSpec, *, dialect: Any = "anthropic_messages", **fields: Any) -> Attempt:
    """The row for a request with these fields."""

    def price(provider: str, model: str, on: date) -> Price | None:
        return None

    def facts(name: str) -> TierFacts:
        return TierFacts(name, TierState.READY)

    turn = {"messages": [{"role": "user", "content": "x"}]}
    words = {"input": "x"} if dialect == "openai_responses" else turn
    body = json.dumps({"model": "m", **words, **fields}).encode()
    request = INBOUND[dialect].read_request(body)
    asking = Asking(request, estimate(request, Caller()), Caller())
    decision = Decision((Option("frontier", ""),), "kind", ())
    (row,) = Attempts({"frontier": tier}, price, HandClock(), facts, Caches()).of(
        "r", decision, asking=asking
    )
    return row


def test_a_search_is_in_the_bound_with_its_fee_and_what_it_brings() -> None:
    plain, searching = attempt(spec(PRICED)), attempt(spec(PRICED), tools=[SEARCH])
    assert searching.asked.uses == (("web_search", 3),)
    assert searching.reserved_microusd > plain.reserved_microusd + 30_000 + 6 * 20_000 * 5


def test_an_hours_cache_is_counted_where_it_is_asked_for_and_costs_more() -> None:
    cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert attempt(spec(PRICED), **cached).asked.cache_1h
    assert (
        attempt(spec(PRICED), **cached).reserved_microusd > attempt(spec(PRICED)).reserved_microusd
    )
    same = replace(PRICED, cache_write_1h_microusd_per_mtok=OPUS.cache_write_microusd_per_mtok)
    assert not attempt(spec(same), **cached).asked.cache_1h


def test_a_translation_says_nothing_of_what_only_its_own_dialect_can() -> None:
    other = spec(PRICED, dialect="openai_chat")
    assert attempt(other, tools=[SEARCH], speed="fast").asked == PLAIN
    assert attempt(spec(PRICED), speed="fast").asked.mode == "fast"


def test_a_free_tier_asks_for_nothing() -> None:
    row = attempt(spec(FREE), tools=[SEARCH], speed="fast")
    assert (row.asked, row.reserved_microusd) == (PLAIN, 0)


def test_an_unknown_price_names_the_command_that_sets_it() -> None:
    command = "twotier prices set anthropic/m input=... output=..."
    with pytest.raises(PriceUnknownError, match=command.replace(".", r"\.")):
        attempt(spec(None))


def test_a_dearer_mode_without_a_price_is_refused() -> None:
    with pytest.raises(PriceUnknownError, match="fast mode"):
        attempt(spec(OPUS), speed="fast")


def test_what_cannot_be_limited_is_refused_where_it_costs() -> None:
    drawing = {"tools": [{"type": "image_generation"}]}
    asked = spec(PRICED, dialect="openai_responses")
    with pytest.raises(RequestError, match="image_generation costs what nothing here can limit"):
        attempt(asked, dialect="openai_responses", **drawing)
    assert attempt(replace(asked, price=FREE), dialect="openai_responses", **drawing)
