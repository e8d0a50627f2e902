"""What is remembered between requests: conversations, paces, and what is made of both."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

from tests.jobs.making import START, HandClock
from tests.router.test_tree import FRONTIER, LOCAL
from twotier.domain.known import NOTHING, Known, Pace, Spread
from twotier.domain.message import Request, Usage
from twotier.domain.money import FREE, Attempt, Budget, BudgetState, Outcome, Settled, Settlement
from twotier.domain.task import Asking, Caller
from twotier.learned.knowing import Knowing, Place
from twotier.learned.pace import Paces
from twotier.learned.sessions import KEPT_MAX, KEPT_SECONDS, Sessions, name_of
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.protocols.opening import opening
from twotier.router.estimate import estimate
from twotier.router.speed import Mean

ASKED = {"role": "user", "content": "Why?"}
TOLD = {"role": "assistant", "content": "Because."}
MORE = {"role": "user", "content": "And?"}


def request(*messages: dict[str, str], model: str = "auto") -> Request:
    """A turn."""
    body = json.dumps({"messages": messages}).encode()
    return Request("openai_chat", body, model, text_bytes=4_000)


def attempt(conversation: str, tier: str = "local", **changes: object) -> Attempt:
    """One that belongs to it."""
    one = {
        "id": "1-0",
        "request_id": "1",
        "tier": tier,
        "provider": "p",
        "model": "m",
        "model_asked": "auto",
        "rule": "default",
        "price": FREE,
        "reserved_microusd": 0,
        "conversation": conversation,
    }
    return Attempt(**{**one, **changes})  # type: ignore[arg-type]


def end(outcome: Outcome = Outcome.OK, cost: int = 0) -> Settlement:
    """An answer of 1,200 tokens in all."""
    return Settlement(Settled.SETTLED, outcome, cost, Usage(1_000, 200))


def test_a_conversation_stays_known_for_an_hour() -> None:
    """By whoever answered last and well; a first turn goes on from nothing."""
    clock = HandClock()
    sessions = Sessions(clock)
    first, then = opening(request(ASKED)), opening(request(ASKED, TOLD, MORE))
    name = name_of(Caller(client="anna"), first)
    assert name == name_of(Caller(client="anna"), then)
    assert name != name_of(Caller(client="bert"), then)
    sessions(attempt(name), end())
    sessions(attempt(name, "frontier"), end(Outcome.ERROR))
    sessions(attempt(""), end())
    assert sessions.known(name, first) is None
    clock.turn(60)
    found = sessions.known(name, then)
    assert found is not None
    assert (found.tier, found.prompt_tokens, found.seconds, found.boundary) == (
        "local",
        1_200,
        60.0,
        True,
    )
    clock.turn(KEPT_SECONDS)
    assert sessions.known(name, then) is None


def test_a_name_of_the_clients_own_comes_first() -> None:
    """A header, the body, the run of a job; then how it begins. Nothing: it has none."""
    begins = opening(request(ASKED))
    headed = Caller(headers={"x-session-id": "two", "session_id": "one"})
    assert "\x1fone\x1f" in name_of(headed, begins)
    assert "\x1frun-1\x1f" in name_of(Caller(job="j", run="run-1"), begins)
    assert name_of(Caller(), opening(request())) == ""


def test_only_so_many_are_kept() -> None:
    """The oldest goes."""
    sessions = Sessions(HandClock())
    then = opening(request(ASKED, TOLD, MORE))
    for number in range(KEPT_MAX + 1):
        sessions(attempt(f"{number}"), end())
    assert sessions.known("0", then) is None
    assert sessions.known("1", then) is not None


def state(budget: Budget, spent: int) -> BudgetState:
    """A budget a quarter of its day in."""
    since = START - timedelta(hours=6)
    return BudgetState(budget, spent, 0, since, since + timedelta(days=1))


def test_the_budget_that_is_most_ahead_of_its_time_speaks() -> None:
    """Of those the work counts in; what was spent since the last look is in it."""
    paces = Paces(HandClock())
    daily = Budget("daily", "day", "UTC", limit_microusd=10_000_000)
    ours = Budget("anna", "day", "UTC", limit_microusd=1_000_000, client="anna")
    told = Budget("told", "day", "UTC", alert_microusd=5)
    paces.note([state(daily, 2_000_000), state(ours, 100_000), state(told, 9_000_000)])
    anna, bert = Caller(client="anna"), Caller(client="bert")
    assert paces.of(anna, tier="frontier", model="m") == Pace("budget daily", 0.2, 0.25)
    assert paces.of(bert, tier="frontier", model="m") == Pace("budget daily", 0.2, 0.25)
    paces(attempt("", "frontier", client="anna"), end(cost=700_000))
    paces(attempt("", "local", client="anna"), end())
    assert paces.of(anna, tier="frontier", model="m") == Pace("budget anna", 0.8, 0.25)
    assert paces.of(bert, tier="frontier", model="m") == Pace("budget daily", 0.27, 0.25)
    assert Paces(HandClock()).of(anna, tier="frontier", model="m") is None


@pytest.mark.parametrize(("asked", "seconds"), [(None, 40.0), (1_000, 20.0)])
def test_what_is_known_is_put_together(asked: int | None, seconds: float) -> None:
    """Times of the tiers whose speed is known, the conversation, the pace."""
    clock = HandClock()
    learned = Learned(Speeds(clock))
    for spec in (LOCAL, FRONTIER):
        learned.follow(spec, engine="mlx_lm")
    speed = learned.speeds.paces["local"].speed
    speed.put("prefill", 0, mean=Mean(1_000.0, 5))
    speed.put("decode", 0, mean=Mean(50.0, 5))
    knowing = Knowing(learned, clock)
    caller = Caller(client="anna")

    found = knowing(asking(request(ASKED), caller, limit=asked))
    assert (found.session, found.seconds, found.pace) == (None, {}, None)
    knowing.places = {
        "local": Place(LOCAL, lambda: True, lambda: 0.0),
        "frontier": Place(FRONTIER, lambda: True, lambda: 0.0),
    }
    knowing.sessions(attempt(found.conversation), end())
    budget = Budget("daily", "day", "UTC", limit_microusd=10_000_000)
    knowing.paces.note([state(budget, 5_000_000)])
    found = knowing(asking(request(ASKED, TOLD, MORE), caller, limit=asked))
    assert found.session is not None
    assert found.session.tier == "local"
    assert set(found.seconds) == {"local"}
    assert round(found.seconds["local"].output_seconds, 3) == seconds
    assert found.pace == Pace("budget daily", 0.5, 0.25)


def asking(one: Request, caller: Caller, *, limit: int | None = None) -> Asking:
    """A request with a limit of its own, or none."""
    limited = msgspec.structs.replace(one, max_output_tokens=limit)
    return Asking(limited, estimate(limited, caller), caller)


def test_a_spread_bounds_what_is_written() -> None:
    """Nine in ten are shorter, whatever the limit allows."""
    clock = HandClock()
    learned = Learned(Speeds(clock))
    learned.follow(LOCAL, engine="mlx_lm")
    speed = learned.speeds.paces["local"].speed
    speed.put("prefill", 0, mean=Mean(1_000.0, 5))
    speed.put("decode", 0, mean=Mean(50.0, 5))
    knowing = Knowing(learned, clock)
    knowing.places = {"local": Place(LOCAL, lambda: True, lambda: 3.0)}
    whole = asking(request(ASKED), Caller(), limit=4_000)
    spread = Spread(50, 100, 9, "record")
    long = knowing.seconds(whole, NOTHING)["local"]
    assert (long.output_seconds, long.wait_seconds) == (80.0, 3.0)
    assert knowing.seconds(whole, Known(output=spread))["local"].output_seconds == 2.0
