"""Message Batches on the wire, as the official SDK's models have them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse

from tests.fakes.anthropic_batches import Made, malformed
from twotier.domain.batch import Batch, Result
from twotier.errors import StreamBrokenError
from twotier.protocols.anthropic_messages import read_batch, read_page, read_result, write_batch

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REQUEST = {"custom_id": "a", "params": {}}


def told(status: str = "in_progress", **changes: Any) -> dict[str, Any]:
    """A batch as the fake says it, held against the SDK's own model."""
    made = Made("msgbatch_1", [REQUEST, {**REQUEST, "custom_id": "b"}], None, AT, status=status)
    body = {**made.told("http://api"), **changes}
    MessageBatch.model_validate(body)
    return body


def line(custom_id: str, result: dict[str, Any]) -> str:
    return json.dumps({"custom_id": custom_id, "result": result})


def test_a_batch_holds_one_request_under_our_name_and_its_very_body() -> None:
    body = b'{"model":"m","max_tokens":5,"messages":[]}'
    written = write_batch("req_1-0b", body)
    assert body in written
    requests = json.loads(written)["requests"]
    assert requests == [{"custom_id": "req_1-0b", "params": json.loads(body)}]
    assert malformed(requests) == ""


@pytest.mark.parametrize(
    ("status", "ended"), [("in_progress", False), ("canceling", False), ("ended", True)]
)
def test_a_batch_is_read_by_its_state_and_counts(status: str, ended: bool) -> None:
    raw = json.dumps(told(status)).encode()
    assert read_batch(raw) == Batch("msgbatch_1", ended, 2, AT)


def test_a_page_names_the_next_one_only_where_there_is_one() -> None:
    page = {"data": [told()], "has_more": True, "first_id": "x", "last_id": "y"}
    assert read_page(json.dumps(page).encode()).after == "y"
    page = {**page, "has_more": False}
    assert read_page(json.dumps(page).encode()).after == ""
    assert read_page(b'{"data":[],"has_more":true,"last_id":null}').batches == ()


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"id":1}'])
def test_what_is_no_batch_is_an_error(raw: bytes) -> None:
    for read in (read_batch, read_page):
        with pytest.raises(StreamBrokenError, match="base_url"):
            read(raw)


def test_a_result_is_found_by_its_name_in_any_order() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "full"}}
    lines = [
        line("b", {"type": "expired"}),
        "",
        line("c", {"type": "errored", "error": {**error, "request_id": None}}),
        line("d", {"type": "canceled"}),
        line("a", {"type": "succeeded", "message": {"id": "msg"}}),
        line("e", {"type": "errored", "error": {"type": "error"}}),
        line("f", {"type": "errored"}),
    ]
    for one in (lines[0], lines[2], lines[3]):
        MessageBatchIndividualResponse.model_validate_json(one)
    raw = "\n".join(lines).encode()
    assert read_result(raw, "a") == Result("succeeded", 200, b'{"id": "msg"}')
    assert read_result(raw, "b") == Result("expired")
    assert read_result(raw, "d") == Result("canceled")
    overloaded = read_result(raw, "c")
    assert overloaded is not None
    assert (overloaded.kind, overloaded.status) == ("errored", 529)
    assert b"full" in overloaded.body
    for vague in ("e", "f"):
        result = read_result(raw, vague)
        assert result is not None
        assert (result.kind, result.status) == ("errored", 500)
    assert read_result(raw, "nobody") is None


@pytest.mark.parametrize(
    "raw", [b'{"custom_id":"a","res', line("a", {"type": "succeeded"}).encode()]
)
def test_results_that_are_cut_or_empty_are_no_results(raw: bytes) -> None:
    with pytest.raises(StreamBrokenError):
        read_result(raw, "a")
