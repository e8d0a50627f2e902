"""Real shapes of usage of both APIs, to the cent, against tables made by hand from price pages.

The shapes are those of the SDKs' own types. Each table says what every part costs in dollars per
million tokens; the sums beside the cases were made with pencil and paper and not by this program.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from twotier.domain.message import Observed, Usage
from twotier.domain.money import Attempt, Price, Settled
from twotier.domain.price import PLAIN, Asked, Rates
from twotier.errors import StreamBrokenError
from twotier.ledger.charge import UNSEEN_TOKENS, charge
from twotier.ledger.cost import Bill
from twotier.protocols import INBOUND, OUTBOUND

# Claude Opus 4.6 until March 12, 2026: $5 in, $25 out, $0.50 read, $6.25 written, $10 for an hour;
# above 200,000 tokens of prompt $10, $37.50, $1, $12.50, $20. A search $10 a thousand, US 1.1 x,
# batch half, fast mode $30 in, $150 out and its caches at the same multiples of the input.
OPUS = Price(
    5_000_000,
    25_000_000,
    500_000,
    6_250_000,
    10_000_000,
    "2026-02-05",
    "by hand",
    steps=((200_000, Rates(10_000_000, 37_500_000, 1_000_000, 12_500_000, 20_000_000)),),
    modes=(
        ("batch", ((0, Rates(2_500_000, 12_500_000, 250_000, 3_125_000, 5_000_000)),)),
        ("fast", ((0, Rates(30_000_000, 150_000_000, 3_000_000, 37_500_000, 60_000_000)),)),
    ),
    fees=(("web_search", 10_000),),
    places=(("us", 110),),
)
# GPT-5.6 Sol: $4 in, $20 out, $0.40 read, $5 written; above 272,000 $8, $30, $0.80, $10. Flex is
# half of it, priority twice. A search $10 a thousand, a look into files $2.50, a container 3 cents.
SOL = Price(
    4_000_000,
    20_000_000,
    400_000,
    5_000_000,
    5_000_000,
    "2026-08-21",
    "by hand",
    steps=((272_000, Rates(8_000_000, 30_000_000, 800_000, 10_000_000, 10_000_000)),),
    modes=(
        ("flex", ((0, Rates(2_000_000, 10_000_000, 200_000, 2_500_000, 2_500_000)),)),
        ("priority", ((0, Rates(8_000_000, 40_000_000, 800_000, 10_000_000, 10_000_000)),)),
    ),
    fees=(("web_search", 10_000), ("file_search", 2_500), ("code_interpreter", 30_000)),
)


def charged(seen: Observed, price: Price, *, asked: Asked = PLAIN) -> tuple[Settled, Usage, Bill]:
    attempt = Attempt("a", "r", "t", "p", "m", "m", "rule", price, 9_000_000, asked=asked)
    return charge(attempt, seen, error=None, expected=Usage(1_000, 4_000))


def observed(dialect: Any, answer: dict[str, Any]) -> Observed:
    return OUTBOUND[dialect].observe_whole(json.dumps(answer).encode())


def message(usage: dict[str, Any]) -> Observed:
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": [{"type": "text", "text": "yes"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    return observed("anthropic_messages", answer)


NO_TOOLS = {"server_tool_use": None, "service_tier": "standard", "inference_geo": "global"}


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        # 10,000 x $5 + 2,000 x $25: five cents and five cents
        ({"input_tokens": 10_000, "output_tokens": 2_000, **NO_TOOLS}, "0.10"),
        # Both lives: 1,000 in, 40,000 read (2 ct), 16,000 for five minutes (10 ct), 20,000 for an
        # hour (20 ct), 400 out (1 ct), half a cent of input
        (
            {
                "input_tokens": 1_000,
                "cache_creation_input_tokens": 36_000,
                "cache_read_input_tokens": 40_000,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 16_000,
                    "ephemeral_1h_input_tokens": 20_000,
                },
                "output_tokens": 400,
                **NO_TOOLS,
            },
            "0.335",
        ),
        # Thinking is a part of the output: 8,000 x $25 = 20 ct, whatever of it was thought
        (
            {
                "input_tokens": 2_000,
                "output_tokens": 8_000,
                "output_tokens_details": {"thinking_tokens": 7_500},
                **NO_TOOLS,
            },
            "0.21",
        ),
        # Three searches at a cent, two pages for nothing: 12,000 in (6 ct), 400 out (1 ct)
        (
            {
                "input_tokens": 12_000,
                "output_tokens": 400,
                **NO_TOOLS,
                "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 2},
            },
            "0.10",
        ),
        # In the US: 1.1 times 10 ct of tokens, and a search at its own price
        (
            {
                "input_tokens": 10_000,
                "output_tokens": 2_000,
                **NO_TOOLS,
                "inference_geo": "us",
                "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
            },
            "0.12",
        ),
        # Above 200,000 tokens, read ones counted: 150,000 read (15), 60,000 in (60), 800 out (3)
        (
            {
                "input_tokens": 60_000,
                "cache_read_input_tokens": 150_000,
                "cache_creation_input_tokens": 0,
                "output_tokens": 800,
                **NO_TOOLS,
            },
            "0.78",
        ),
        # From a batch: half of everything, 20,000 in (5 ct), 4,000 out (5 ct)
        ({"input_tokens": 20_000, "output_tokens": 4_000, "service_tier": "batch"}, "0.10"),
        # Fast: 1,000 in (3 ct), 10,000 read (3 ct), 400 out (6 ct)
        (
            {
                "input_tokens": 1_000,
                "cache_read_input_tokens": 10_000,
                "output_tokens": 400,
                "service_tier": "standard",
                "speed": "fast",
            },
            "0.12",
        ),
        # The context was summed up on the way: 30,000 in (15 ct) and 2,000 out (5 ct) more than
        # the 2,000 in (1 ct) and 400 out (1 ct) of the answer itself
        (
            {
                "input_tokens": 2_000,
                "output_tokens": 400,
                "iterations": [
                    {"type": "compaction", "input_tokens": 30_000, "output_tokens": 2_000},
                    {"type": "message", "input_tokens": 2_000, "output_tokens": 400},
                ],
                **NO_TOOLS,
            },
            "0.22",
        ),
    ],
)
def test_messages_are_charged_to_the_cent(usage: dict[str, Any], usd: str) -> None:
    settled, _, bill = charged(message(usage), OPUS)
    assert settled is Settled.SETTLED
    assert bill.microusd == Decimal(usd) * 1_000_000


@pytest.mark.parametrize(
    ("answer", "usd"),
    [
        # 20,000 of which 15,000 were read (0.6 ct): 5,000 in (2 ct), 1,000 out (2 ct)
        (
            {
                "usage": {
                    "prompt_tokens": 20_000,
                    "completion_tokens": 1_000,
                    "total_tokens": 21_000,
                    "prompt_tokens_details": {"cached_tokens": 15_000, "audio_tokens": 0},
                    "completion_tokens_details": {
                        "reasoning_tokens": 800,
                        "accepted_prediction_tokens": 0,
                        "rejected_prediction_tokens": 0,
                    },
                },
                "service_tier": "default",
            },
            "0.046",
        ),
        # Written to the cache: 4,000 (2 ct) of 9,000, 5,000 in (2 ct), 500 out (1 ct)
        (
            {
                "usage": {
                    "prompt_tokens": 9_000,
                    "completion_tokens": 500,
                    "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 4_000},
                }
            },
            "0.05",
        ),
        (
            {"usage": {"prompt_tokens": 10_000, "completion_tokens": 0}, "service_tier": "flex"},
            "0.02",
        ),
        (
            {
                "usage": {"prompt_tokens": 10_000, "completion_tokens": 0},
                "service_tier": "priority",
            },
            "0.08",
        ),
        # 272,001 tokens are all at the dearer step
        ({"usage": {"prompt_tokens": 272_001, "completion_tokens": 1_000}}, "2.206008"),
    ],
)
def test_chats_are_charged_to_the_cent(answer: dict[str, Any], usd: str) -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "yes"},
        "finish_reason": "stop",
    }
    seen = observed(
        "openai_chat", {"id": "c", "model": "gpt-5.6-sol", "choices": [choice], **answer}
    )
    settled, _, bill = charged(seen, SOL)
    assert settled is Settled.SETTLED
    assert bill.microusd == Decimal(usd) * 1_000_000


def test_a_response_with_hosted_tools_is_charged_to_the_cent() -> None:
    """Two searches (2 ct; the page it opened is none), one look into files, one container for two
    runs (3 ct); 30,000 in of which 10,000 read (0.4) and 5,000 written (2.5 ct), so 15,000 fresh
    (6 ct), 1,000 out (2 ct): 16.15 ct with a quarter of a cent for the files.
    """
    output = [
        {"type": "web_search_call", "id": "1", "action": {"type": "search", "query": "x"}},
        {"type": "web_search_call", "id": "2", "action": {"type": "open_page", "url": "x"}},
        {"type": "web_search_call", "id": "3", "action": {"type": "search", "query": "y"}},
        {"type": "file_search_call", "id": "4", "queries": ["x"]},
        {"type": "code_interpreter_call", "id": "5", "container_id": "c"},
        {"type": "code_interpreter_call", "id": "6", "container_id": "c"},
        {"type": "message", "content": [{"type": "output_text", "text": "yes"}]},
    ]
    usage = {
        "input_tokens": 30_000,
        "input_tokens_details": {
            "cached_tokens": 10_000,
            "cache_write_tokens": 5_000,
            "cache_write_tokens_details": {"ttl_30m_tokens": 2_000, "ttl_12h_tokens": 3_000},
        },
        "output_tokens": 1_000,
        "output_tokens_details": {"reasoning_tokens": 900},
        "total_tokens": 31_000,
    }
    answer = {
        "id": "resp_1",
        "model": "gpt-5.6-sol",
        "status": "completed",
        "service_tier": "default",
        "output": output,
        "usage": usage,
    }
    settled, used, bill = charged(observed("openai_responses", answer), SOL)
    assert settled is Settled.SETTLED
    assert used.cache_write_1h_tokens == 3_000
    assert bill == Bill(161_500, fees_microusd=52_500)


def stream(*events: dict[str, Any]) -> Observed:
    """What is kept of a Messages stream of these events."""
    reader, seen = OUTBOUND["anthropic_messages"].stream_reader(), Observed()
    for event in events:
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        seen.fold_all(reader.feed(data))
    return seen


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 2_000,
            "cache_creation_input_tokens": 4_000,
            "cache_read_input_tokens": 10_000,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 0,
                "ephemeral_1h_input_tokens": 4_000,
            },
            "output_tokens": 3,
            "service_tier": "standard",
            "inference_geo": "us",
        },
    },
}
TEXT = (
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "yes, 20 characters!!"},
    },
)


def test_a_streamed_message_is_charged_by_its_last_count_and_keeps_what_the_first_said() -> None:
    """1.1 times (2,000 in: 1 ct, 4,000 for an hour: 4 ct, 10,000 read: 0.5 ct, 400 out: 1 ct) and a
    search: 8.15 ct.
    """
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {
            "output_tokens": 400,
            "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
        },
    }
    stop = {"type": "content_block_stop", "index": 0}
    seen = stream(START, *TEXT, stop, end, {"type": "message_stop"})
    settled, used, bill = charged(seen, OPUS)
    assert (settled, used.place, used.uses) == (Settled.SETTLED, "us", (("web_search", 1),))
    assert bill == Bill(81_500, fees_microusd=10_000)


def test_a_stream_that_breaks_is_charged_by_its_first_count_and_what_came() -> None:
    """The input as before, and of the output 20 bytes at two to a token and a margin: 74 tokens."""
    seen = stream(START, *TEXT)
    attempt = Attempt("a", "r", "t", "p", "m", "m", "rule", OPUS, 9_000_000)
    error = StreamBrokenError("the stream ended early")
    settled, used, bill = charge(attempt, seen, error=error, expected=Usage(1_000, 4_000))
    assert settled is Settled.ESTIMATED
    assert used.output_tokens == 10 + UNSEEN_TOKENS == 74
    assert bill.microusd == 60_500 + 74 * 275 // 10


def test_what_a_model_searched_is_charged_where_no_answer_counts_it() -> None:
    """A chat model that searches does so once: 2,500 in is a cent, and the search another."""
    body = {
        "model": "gpt-5-search-api",
        "messages": [{"role": "user", "content": "x"}],
        "web_search_options": {},
    }
    asked = INBOUND["openai_chat"].read_request(json.dumps(body).encode()).asked
    choice = {"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 2_500, "completion_tokens": 0}
    seen = observed("openai_chat", {"id": "c", "choices": [choice], "usage": usage})
    assert charged(seen, SOL, asked=asked)[2] == Bill(20_000, fees_microusd=10_000)
