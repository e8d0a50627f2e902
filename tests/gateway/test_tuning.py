"""`twotier rules tune`, from the book to the words: real rows, a threshold, the lines to write."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from starlette.requests import Request as HttpRequest

from tests.ledger.toys import HandClock, free
from tests.router.test_tree import FRONTIER, LOCAL
from twotier.cli.tune import ABOUT, lines
from twotier.domain.message import Usage
from twotier.domain.money import Outcome, Settled, Settlement
from twotier.domain.tier import TierSpec
from twotier.domain.verdict import BAD, GOOD, UNSAID, Judgement
from twotier.errors import RequestError
from twotier.gateway.tuning import TuningPage
from twotier.ledger.book import Book
from twotier.ledger.judgements import Judged
from twotier.ledger.rows import milliseconds

BOTH = (LOCAL, FRONTIER)


def end(prompt: int, seconds: float, *, left: bool = False) -> Settlement:
    """An answer of 100 tokens."""
    outcome = Outcome.CANCELLED if left else Outcome.OK
    return Settlement(Settled.SETTLED, outcome, 0, Usage(prompt, 100), total_seconds=seconds)


async def filled(book: Book, clock: HandClock, *, pieces: int) -> None:
    """People leave what takes more than 40 s; jobs go wrong from 20,000 tokens on."""
    for number in range(pieces):
        clock.turn(100)
        seconds = 1.0 + (number * 37) % 80
        asked = replace(free(f"a{number}"), model_asked="auto")
        book.record(asked, end(1_000, seconds, left=seconds > 40))
        named = replace(free(f"n{number}"), model_asked="local")
        book.record(named, end(1_000, 500.0, left=True))
        prompt, run = 1_000 + (number * 3_700) % 40_000, f"run{number}"
        one = replace(free(f"j{number}", job=f"job{number % 4}"), run=run, background=True)
        book.record(one, end(prompt, 9.0))
        good = BAD if prompt > 20_000 else GOOD
        row = Judgement(
            f"{run}:all:local", f"job{number % 4}", "local", "m", "v", "", 0, good, "form"
        )
        at = milliseconds(clock.now())
        unsaid = replace(row, id=f"{run}:x:local", at_ms=at, good=UNSAID)
        book.keep(Judged((replace(row, at_ms=at), unsaid)))


def found(
    tmp_path: Path, tiers: Sequence[TierSpec] = BOTH, *, pieces: int = 100, **wanted: Any
) -> dict[str, Any]:
    """What main answers."""

    async def receive() -> dict[str, Any]:
        body = msgspec.json.encode(wanted or {"days": 30})
        return {"type": "http.request", "body": body, "more_body": False}

    async def scenario() -> dict[str, Any]:
        clock = HandClock()
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        try:
            await filled(book, clock, pieces=pieces)
            page = TuningPage(book, tiers, (120.0, 1_000_000), clock)
            answer = await page(HttpRequest({"type": "http", "headers": []}, receive))
            document: dict[str, Any] = msgspec.json.decode(answer.body)
            return document
        finally:
            await book.close()

    return asyncio.run(scenario())


def told(document: dict[str, Any], name: str) -> str:
    """As it is printed."""
    assert set(ABOUT) < set(document)
    return "\n".join(lines(name, document[name], needed=document["needed"]))


def test_both_thresholds_are_found_and_written_as_lines(tmp_path: Path) -> None:
    """Patience by who left, of work that named no model; a size by verified ends alone."""
    document = found(tmp_path)
    patience, size = document["patience"], document["prompt_tokens_over"]
    assert (patience["samples"], size["samples"]) == (100, 100)
    assert patience["proposed"]
    assert 35 <= patience["threshold"] <= 42
    assert 17_000 <= size["threshold"] <= 21_000
    said = told(document, "patience")
    assert 'patience = "' in said
    assert "fitted on 70 answers, held against 30 newer ones" in said
    assert "prompt_tokens_over = " in told(document, "prompt_tokens_over")
    open_end = {**document, "patience": {**patience, "threshold": None}}
    assert 'patience = "3650d"' in told(open_end, "patience")
    same = {**document, "patience": {**patience, "proposed": False}}
    assert "nothing better was found" in told(same, "patience")


def test_too_little_says_so(tmp_path: Path) -> None:
    """As does a house without a frontier, and a body of another form."""
    assert told(found(tmp_path, pieces=5), "patience") == "5 of the 40 answers that are needed"
    alone = found(tmp_path, (LOCAL,), pieces=5)
    assert "no frontier tier with a price" in told(alone, "prompt_tokens_over")
    unpriced = found(tmp_path, (LOCAL, dataclasses.replace(FRONTIER, price=None)), pieces=5)
    assert unpriced["patience"]["because"]
    with pytest.raises(RequestError, match="the body is not"):
        found(tmp_path, pieces=0, days="x")
