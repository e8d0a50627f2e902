"""What `twotier route` is told: the path of a real request, for any caller, and nobody is asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from starlette.requests import Request as HttpRequest

from tests.ledger.toys import OPUS, HandClock
from tests.router.test_tree import FRONTIER, LOCAL, NAMES
from twotier.dispatch import Dispatch
from twotier.domain.tier import TierFacts, TierState
from twotier.errors import NotFoundError, RequestError, TwotierError
from twotier.exchange import Ground, Tier
from twotier.gateway.clients import Clients
from twotier.gateway.explaining import Explaining
from twotier.keys import ClientKey, KeyFile, digest
from twotier.learned.speeds import Speeds
from twotier.ledger.book import Book
from twotier.providers.scripted import Scripted
from twotier.router.breaker import Breakers
from twotier.router.own import Own, Span
from twotier.router.retry import RetryBudget
from twotier.router.rows import rules_of
from twotier.router.tree import Router
from twotier.tries import Remedy

OWN = (
    Own("team", "the ops team pays", side="frontier", headers={"x-team": "ops"}),
    Own("notes", "my notes stay here", local_only=True, clients=["phone"], span=Span(0, 24 * 60)),
)
MESSAGES = {"max_tokens": 9, "messages": [{"role": "user", "content": "Check for new mail"}]}


@pytest.fixture
def explaining(tmp_path: Path) -> Explaining:
    """Main's own, over tiers that nobody may ask."""
    file = KeyFile(tmp_path / "keys.json")
    now = datetime(2026, 3, 10, tzinfo=UTC)
    file.add(ClientKey(name="phone", digest=digest("k").hex(), created=now))
    clock = HandClock()
    tiers = {
        one.name: Tier(one, Scripted(()), lambda name=one.name: TierFacts(name, TierState.READY))  # type: ignore[misc]
        for one in (LOCAL, FRONTIER)
    }
    nobody = cast("Book", None)
    dispatch = Dispatch(
        tiers,
        router=Router(NAMES, rules_of(own=OWN)),
        price=lambda _provider, _model, _day: OPUS,
        ground=Ground(nobody, (), clock),
        new_id=lambda: "r1",
        remedy=Remedy(Breakers(), RetryBudget(), lambda: 0.0),
    )
    clients = Clients(file, default_key="d", zone="UTC")
    return Explaining(dispatch, clients, Speeds(clock))


def told(explaining: Explaining, **wanted: Any) -> dict[str, Any]:
    """What it answers."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": msgspec.json.encode(wanted), "more_body": False}

    async def scenario() -> dict[str, Any]:
        answer = await explaining(HttpRequest({"type": "http", "headers": []}, receive))
        document: dict[str, Any] = msgspec.json.decode(answer.body)
        return document

    return asyncio.run(scenario())


def rules(document: dict[str, Any], effect: str) -> list[str]:
    return [one["rule"] for one in document["because"] if one["effect"] == effect]


def test_every_rule_speaks_in_order(explaining: Explaining) -> None:
    """With what it saw, also where it could not decide."""
    found = told(explaining, prompt="Summarise this")
    assert (found["rule"], found["verify"]) == ("read-report", True)
    assert [one["tier"] for one in found["options"]] == ["local", "frontier"]
    assert rules(found, "abstained") == ["time", "session", "record"]
    assert rules(found, "passed")[-3:] == ["polling", "bulk-write", "frontier-reasoning"]
    assert found["known"] == {
        "key": "", "conversation": "", "pace": None, "records": {}, "session": None,
        "output": None, "recheck": "",
    }  # fmt: skip
    assert found["worst_case_usd"] != "0.000000"
    assert found["predicted"] == {"local": None, "frontier": None}
    assert found["expected_usd"]["local"] == "0.000000"
    assert 0 < float(found["expected_usd"]["frontier"]) <= float(found["worst_case_usd"])


@pytest.mark.parametrize(
    ("wanted", "rule", "first"),
    [
        ({"prompt": "x", "model": "opus"}, "explicit", "frontier"),
        ({"prompt": "x", "policy": "local-only"}, "policy", "local"),
        ({"prompt": "x", "kind": "polling"}, "polling", "local"),
        ({"prompt": "Summarise", "job": "brief"}, "unproven", "frontier"),
        ({"prompt": "x", "job": "inbox", "kind": "polling", "tools": 2}, "polling", "local"),
        ({"prompt": "x", "kind": "polling", "headers": {"X-Team": "ops"}}, "team", "frontier"),
        ({"prompt": "x", "kind": "polling", "headers": {"x-other": "ops"}}, "polling", "local"),
        ({"prompt": "x", "client": "phone"}, "notes", "local"),
        ({"prompt": "x", "client": "default"}, "default", "frontier"),
        ({"body": {**MESSAGES, "model": "m25"}, "path": "/v1/messages"}, "explicit", "local"),
        ({"body": {**MESSAGES, "model": "m25"}, "model": "opus"}, "explicit", "frontier"),
        ({"body": MESSAGES}, "polling", "local"),
    ],
)
def test_it_is_asked_as_whoever_would(
    explaining: Explaining, wanted: dict[str, Any], rule: str, first: str
) -> None:
    """A job, a client of a key, with headers, a body of any dialect."""
    found = told(explaining, **wanted)
    assert (found["rule"], found["options"][0]["tier"]) == (rule, first)


def test_a_system_text_is_read_and_is_no_sign_of_any_kind(explaining: Explaining) -> None:
    """It counts as tokens; what kind of work it is, the user's words say."""
    plain = told(explaining, prompt="Summarise this page")
    found = told(explaining, prompt="Summarise this page", system="Refactor it all. " * 50)
    assert found["rule"] == plain["rule"] == "read-report"
    assert found["task"]["prompt_tokens"] > plain["task"]["prompt_tokens"] + 100


def test_a_rule_that_restricts_is_shown_with_the_time_it_saw(explaining: Explaining) -> None:
    """And what is held here has one option."""
    found = told(explaining, prompt="x", client="phone")
    assert rules(found, "restricted") == ["notes"]
    assert [one["tier"] for one in found["options"]] == ["local"]
    assert found["task"]["policy"] == "local-only"
    assert found["task"]["at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("wanted", "kind", "said"),
    [
        ({"client": "tablet"}, NotFoundError, "there is no client 'tablet'; there are: def"),
        ({"client": "phone", "job": "a"}, RequestError, "leave out the client or the job"),
        ({"path": "/v2/chat"}, NotFoundError, "no model is asked at '/v2/chat'; there are: /v1/"),
        ({"path": "/v1/messages"}, RequestError, "for /v1/messages give a body"),
        ({"tools": "many"}, RequestError, "the body is no question about a route"),
        ({"body": {"messages": "x"}}, RequestError, "messages"),
    ],
)  # fmt: skip
def test_a_wrong_question_says_what_to_do(
    explaining: Explaining, wanted: dict[str, Any], kind: type[TwotierError], said: str
) -> None:
    """And changes nothing."""
    with pytest.raises(kind) as caught:
        told(explaining, **wanted)
    assert said in caught.value.message
