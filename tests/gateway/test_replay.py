"""`twotier replay`, from the book to the words: real rows, other rules, nothing changed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.requests import Request as HttpRequest

from tests.ledger.toys import HandClock, paid
from tests.router.test_tree import NAMES
from tests.test_replay import task
from twotier.build.rules import rules_from
from twotier.cli.replay import days, told
from twotier.config.load import load
from twotier.domain.decision import Decision, Option
from twotier.domain.message import Usage
from twotier.domain.money import Outcome, Settled, Settlement
from twotier.errors import ConfigError, RequestError, UsageError
from twotier.gateway.replay import ReplayPage
from twotier.ledger.book import Book
from twotier.router.tree import Router

CONFIG = """
[tiers.local]
engine = "openai"
base_url = "http://127.0.0.1:9/v1"
model = "toy"
window_tokens = 8192

[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
key = "env:NOT_READ_HERE"

[[rules]]
name = "old"
client = "anna"
side = "frontier"
"""
NEW = """
[[rules]]
name = "mine"
client = "anna"
header = { x-team = "ops" }
side = "local"

[[rules]]
name = "all"
client = "anna"
side = "local"
"""
END = Settlement(Settled.SETTLED, Outcome.OK, 12_500, Usage(2_000, 100), total_seconds=4.0)


def asked(tmp_path: Path, _headers: dict[str, str] | None = None, **wanted: Any) -> dict[str, Any]:
    """What main answers; of yesterday and today one request each, with these headers where a rule
    looks at x-team.
    """
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "twotier.toml"
    path.write_text(CONFIG, encoding="utf-8")
    loaded = load(path)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": msgspec.json.encode(wanted), "more_body": False}

    async def scenario() -> dict[str, Any]:
        clock = HandClock()
        clock.turn(-90_000)
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        book.headers = frozenset({"x-team"} if _headers else ())
        try:
            for name in ("a", "b"):
                decided = Decision((Option("frontier"),), "old", ())
                book.note_decision(f"r-{name}", decided, task=task(headers=_headers or {}))
                await book.reserve(paid(name, 20_000, client="anna"))
                await book.settle(name, END)
                clock.turn(90_000)
            page = ReplayPage(
                book, Router(NAMES), lambda text: rules_from(loaded, text), lambda *_: 6.0, clock
            )
            clock.turn(-60)
            answer = await page(HttpRequest({"type": "http", "headers": []}, receive))
            document: dict[str, Any] = msgspec.json.decode(answer.body)
            return document
        finally:
            await book.close()

    return asyncio.run(scenario())


def test_both_ways_stand_beside_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what lies in the span; dollars, seconds, moves; and what could not be looked at."""
    found = asked(tmp_path, days=2, rules=NEW)
    assert (found["decisions"], found["in_all"], found["moved"]) == (1, 1, 1)
    assert (found["before"]["usd"], found["after"]["usd"]) == ("0.012500", "0.000000")
    assert found["rules_after"] == {"all": 1}
    told(found, name="new.toml")
    said = capsys.readouterr().out
    assert "1 decisions; 1 would go elsewhere under new.toml" in said
    assert "1 x frontier -> local" in said
    assert "rule all" in said
    assert "-$0.01" in said
    assert found["unrecorded"] == {"x-team": 1}
    assert "x-team was not recorded with 1 of them" in said


def test_a_header_that_was_looked_at_then_decides_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of no other header anything is kept, nor of one that is too long; that it was not there is
    known too.
    """
    heads = {"x-team": "ops", "authorization": "Bearer secret", "x-api-key": "secret"}
    found = asked(tmp_path, days=2, rules=NEW, _headers=heads)
    assert (found["rules_after"], found["unrecorded"]) == ({"mine": 1}, {})
    told(found, name="new.toml")
    assert "not recorded" not in capsys.readouterr().out
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    assert b'"headers":{"x-team":"ops"}' in kept
    assert b"secret" not in kept
    absent = asked(tmp_path / "absent", days=2, rules=NEW, _headers={"x-other": "ops"})
    assert (absent["rules_after"], absent["unrecorded"]) == ({"all": 1}, {})
    long = asked(tmp_path / "long", days=2, rules=NEW, _headers={"x-team": "o" * 257})
    assert (long["rules_after"], long["unrecorded"]) == ({"all": 1}, {"x-team": 1})


def test_without_rules_those_in_force_are_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And of an empty span there is nothing to say."""
    found = asked(tmp_path, days=2)
    assert (found["moved"], found["rules_after"]) == (0, {"default": 1})
    told({**found, "decisions": 0, "in_all": 0, "moved": 0}, name="the rules in force")
    assert capsys.readouterr().out == (
        "0 decisions; 0 would go elsewhere under the rules in force\n"
    )


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("x = [", "not valid TOML"),
        ("[tiers.local]\nmodel = 'x'", "neither"),
        ("[[rules]]\nname = 'x'\nside = 'up'", "rules.0"),
    ],
)
def test_rules_that_are_none_are_refused(tmp_path: Path, rules: str, why: str) -> None:
    """With the place of what is wrong."""
    with pytest.raises(ConfigError, match=why):
        asked(tmp_path, days=1, rules=rules)


def test_bad_orders_are_refused(tmp_path: Path) -> None:
    """A span that is none, a body of another form."""
    with pytest.raises(RequestError, match="the body is not"):
        asked(tmp_path, days="x")
    for since in ("soon", "0s"):
        with pytest.raises(UsageError, match="--since"):
            days(since)
    assert days("36h") == timedelta(hours=36) / timedelta(days=1)
