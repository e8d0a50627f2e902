"""Counts of tokens: passed on, or estimated."""

from __future__ import annotations

import json

import pytest
from anthropic.types import MessageTokensCount

from twotier.domain.message import Observed
from twotier.errors import RequestError, StreamBrokenError
from twotier.protocols import INBOUND, OUTBOUND
from twotier.protocols.anthropic_messages import estimated_count, observe_count


def test_a_count_is_seen_and_costs_nothing() -> None:
    assert observe_count(b'{"input_tokens": 5}') == Observed(
        finish="stop", closed=True, content=True
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"input_tokens": "5"}'])
def test_what_is_no_count_is_no_answer(body: bytes) -> None:
    with pytest.raises(StreamBrokenError, match="a count of tokens"):
        observe_count(body)


def test_an_estimate_counts_text_images_and_pages() -> None:
    """Four bytes a token, and not a byte of what is inline."""
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "word " * 400}]
    body = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    count = MessageTokensCount.model_validate_json(estimated_count(body))
    assert 2_000 < count.input_tokens < 2_300


def test_a_count_is_never_translated() -> None:
    inbound, outbound = INBOUND["anthropic_count"], OUTBOUND["anthropic_count"]
    for refused in (inbound.read_conversation, outbound.read_whole):
        with pytest.raises(RequestError, match="server counts"):
            refused(b"{}")
    with pytest.raises(RequestError, match="server counts"):
        outbound.stream_reader()
