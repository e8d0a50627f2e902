"""A search of the provider's own tool, from the request to the sums: reserved, charged, told."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from tests.ledger.toys import NOON, HandClock
from tests.test_bounds import PRICED, SEARCH, spec
from twotier.attempts import Attempts
from twotier.domain.decision import Decision, Option
from twotier.domain.task import Asking, Caller
from twotier.domain.tier import TierFacts, TierState
from twotier.exchange import Exchange, Ground, Tier
from twotier.gateway.control import amounts
from twotier.ledger.book import Book
from twotier.protocols import INBOUND
from twotier.providers.scripted import Answer, Scripted
from twotier.router.caching import Caches
from twotier.router.estimate import estimate

BODY = {
    "model": "m",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "what is new?"}],
    "tools": [SEARCH],
    "inference_geo": "us",
}
# Three turns: two searches for 2 ct; 1.1 times 12,000 in (6 ct) and 400 out (1 ct) is 7.7 ct.
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "this"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 12_000,
        "output_tokens": 400,
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "standard",
        "inference_geo": "us",
    },
}


def test_a_search_is_reserved_charged_and_told(tmp_path: Path) -> None:
    """At most what was reserved; the row says how, and `spend` what of it were fees."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def scenario() -> None:
        book = await Book.open(path, clock=clock)
        tier = Tier(
            spec(PRICED),
            Scripted([Answer((json.dumps(ANSWER).encode(),))], dialect="anthropic_messages"),
            facts,
        )
        request = INBOUND["anthropic_messages"].read_request(json.dumps(BODY).encode())
        attempts = Attempts(
            {"frontier": tier.spec}, lambda *_: None, clock, lambda _: facts(), Caches()
        )
        asking = Asking(request, estimate(request, Caller()), Caller())
        decision = Decision((Option("frontier", ""),), "kind", ())
        (attempt,) = attempts.of("r", decision, asking=asking)
        expected = attempts.expected("frontier", asking.task)
        ground = Ground(book, (), clock)
        exchange = Exchange(tier, request, attempt=attempt, expected=expected, ground=ground)
        await exchange.open()
        await exchange.close()
        (row,) = await book.spend(since=NOON, until=NOON + timedelta(minutes=1))
        await book.close()
        assert row.cost_microusd == 97_000 < attempt.reserved_microusd
        told = amounts(row)
        assert (told["fees_usd"], told["web_searches"]) == ("0.020000", 2)

    asyncio.run(scenario())
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT price_terms, price_applied, fees_microusd FROM usage"
        ((terms, applied, fees),) = connection.execute(sql)
    assert json.loads(terms)["fees"] == [["web_search", 10_000]]
    assert json.loads(applied) == {"place": "us", "uses": {"web_search": 2}}
    assert fees == 20_000


def facts() -> TierFacts:
    return TierFacts("frontier", TierState.READY)
