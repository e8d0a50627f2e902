"""What a batch comes to in the ledger, and what its row says of it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ledger.test_charge import PRICE
from tests.ledger.toys import paid
from twotier.batch.item import begun, known, refused, slot_for
from twotier.batch.settle import settlement_of
from twotier.domain.batch import Kind, Result
from twotier.domain.message import Request, Usage
from twotier.domain.money import Attempt, Outcome, Settled
from twotier.domain.price import Asked, Rates
from twotier.domain.task import Caller
from twotier.errors import DeadlineError, TierUnavailableError, TwotierError, UpstreamError
from twotier.ledger.rows import price_terms

HALF = Rates(2_500_000, 12_500_000, 250_000, 3_125_000, 5_000_000)
EXPECTED = Usage(1_000, 400)


def attempt() -> Attempt:
    """One that goes into a batch; its bound is 999 micro-dollars."""
    price = dataclasses.replace(PRICE, modes=(("batch", ((0, HALF),)),))
    return replace(paid("a", 999), price=price, asked=Asked(mode="batch"), job="j", run="r")


def message(**usage: Any) -> bytes:
    told = {"input_tokens": 1_000, "output_tokens": 100, **usage}
    body = {"id": "m", "type": "message", "role": "assistant", "model": "served"}
    text = [{"type": "text", "text": "fine"}]
    return json.dumps({**body, "content": text, "stop_reason": "end_turn", "usage": told}).encode()


@pytest.mark.parametrize("tier", [{}, {"service_tier": "batch"}, {"service_tier": "standard"}])
def test_an_answer_is_charged_by_its_usage_at_batch_rates(tier: dict[str, str]) -> None:
    """Whatever it says of itself: a batch is served as nothing else."""
    end = settlement_of(
        attempt(), Result("succeeded", 200, message(**tier)), expected=EXPECTED, seconds=60.0
    )
    assert (end.settled, end.outcome) == (Settled.SETTLED, Outcome.OK)
    assert end.cost_microusd == (1_000 * 5 + 100 * 25) // 2
    assert (end.usage.mode, end.model_served, end.total_seconds) == ("batch", "served", 60.0)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("errored", Outcome.ERROR),
        ("canceled", Outcome.CANCELLED),
        ("expired", Outcome.CANCELLED),
    ],
)
def test_what_was_not_answered_costs_nothing(kind: Kind, outcome: Outcome) -> None:
    end = settlement_of(attempt(), Result(kind, 0), expected=EXPECTED, seconds=1.0)
    assert (end.settled, end.outcome, end.cost_microusd) == (Settled.VOID, outcome, 0)
    assert "batch" in end.error


def test_where_nobody_can_say_it_is_charged_in_full_and_marked() -> None:
    lost = settlement_of(attempt(), None, expected=EXPECTED, seconds=1.0)
    assert (lost.settled, lost.cost_microusd) == (Settled.UNKNOWN, 999)
    odd = settlement_of(attempt(), Result("succeeded", 200, b"{}"), expected=EXPECTED, seconds=1.0)
    assert (odd.settled, odd.outcome, odd.cost_microusd) == (Settled.ESTIMATED, Outcome.ERROR, 999)


def test_a_row_says_all_that_is_needed_to_settle_and_nothing_of_what_was_asked() -> None:
    request = Request("openai_chat", b'{"secret":"swordfish"}', "auto")
    row = begun(attempt(), request, expected=EXPECTED, now_ms=5_000, deadline_seconds=60.0)
    item = known(row, now=0.0)
    assert (item.attempt, item.expected) == (attempt(), EXPECTED)
    assert price_terms(item.attempt.price) == price_terms(attempt().price)
    assert (row.sent_ms, row.until_ms, item.unsure, item.ended) == (5_000, 65_000, True, False)
    assert "swordfish" not in repr(row)
    assert row.slot == slot_for(Caller(job="j", run="r"))
    assert row.slot != slot_for(Caller(job="j", run="r", step="2"))


@pytest.mark.parametrize(
    ("error", "certainly"),
    [
        (TierUnavailableError("no key"), True),
        (UpstreamError("no", upstream_status=403), True),
        (UpstreamError("busy", upstream_status=429), False),
        (UpstreamError("broken", upstream_status=500), False),
        (UpstreamError("hung up", upstream_status=0, started=True), False),
        (DeadlineError("late"), False),
    ],
)
def test_only_a_clear_no_means_that_nothing_was_taken(error: TwotierError, certainly: bool) -> None:
    assert refused(error) is certainly
