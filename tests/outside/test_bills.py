"""What a provider says of a day, in the shapes in which it says it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.domain.bill import COST, USAGE, BillRow
from twotier.errors import UsageError
from twotier.outside.bills import read, read_page

USAGE_HEAD = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,"
    "usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
    "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
    "web_search_count,inference_geo,speed"
)
COST_HEAD = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,"
    "list_price_usd,cost_type,inference_geo,speed"
)


def page(*results: dict[str, Any], day: str = "2026-03-10T00:00:00Z") -> dict[str, Any]:
    bucket = {"starting_at": day, "ending_at": "2026-03-11T00:00:00Z", "results": list(results)}
    return {"data": [bucket], "has_more": False, "next_page": None}


def used(**more: Any) -> dict[str, Any]:
    return {
        "api_key_id": None,
        "workspace_id": None,
        "model": "claude-opus-4-6",
        "service_tier": "standard",
        "context_window": "0-200k",
        "inference_geo": "global",
        "uncached_input_tokens": 1500,
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
        "cache_read_input_tokens": 200,
        "output_tokens": 500,
        "server_tool_use": {"web_search_requests": 10},
    } | more


def charged(amount: str, **more: Any) -> dict[str, Any]:
    return {
        "currency": "USD",
        "amount": amount,
        "workspace_id": None,
        "description": "Claude Opus 4.6 Usage - Input Tokens",
        "cost_type": "tokens",
        "context_window": "0-200k",
        "model": "claude-opus-4-6",
        "service_tier": "standard",
        "token_type": "uncached_input_tokens",
    } | more


def rows(*documents: Any) -> list[BillRow]:
    whole = documents[0] if len(documents) == 1 else list(documents)
    return read(json.dumps(whole).encode())


def test_the_usage_report() -> None:
    """Rows of one day and model are one, however many hours and keys they came from."""
    first = page(used(), used(service_tier="batch"))
    second = page(used(cache_creation=None, server_tool_use=None), day="2026-03-10T13:00:00Z")
    long = page(used(context_window="200k-1M", inference_geo="us", speed="fast"))
    assert rows(first, second, long) == [
        BillRow(
            *("anthropic", USAGE, "2026-03-10", "claude-opus-4-6", "batch|global|"),
            *(1500, 500, 200, 500, 1000, 10),
        ),
        BillRow(
            *("anthropic", USAGE, "2026-03-10", "claude-opus-4-6", "fast|us|long"),
            *(1500, 500, 200, 500, 1000, 10),
        ),
        BillRow(
            *("anthropic", USAGE, "2026-03-10", "claude-opus-4-6", "|global|"),
            *(3000, 1000, 400, 500, 1000, 10),
        ),
    ]


def test_the_cost_report_counts_in_cents() -> None:
    """`123.78912` is one dollar and 23.78912 cents; a search is no model's."""
    found = rows(
        page(
            charged("123.78912"),
            charged("10", cost_type="web_search", model=None, token_type=None),
            charged("1", cost_type=None, token_type=None, model=None, description=None),
        )
    )
    assert [(row.kind, row.model, row.cost_microusd) for row in found] == [
        (COST, "claude-opus-4-6", 1_237_891),
        (COST, "other", 10_000),
        (COST, "web_search", 100_000),
    ]


def test_the_console_s_exports() -> None:
    """With the mark of Excel, in the console's own names, with whatever columns come later."""
    usage = (
        f"{USAGE_HEAD}\n2026-03-10 13:05,claude-opus-4-6,key,Default,batch,≤ 200k,8,1,2,3,4,5,,\n"
    )
    assert read(("\ufeff" + usage).encode()) == [
        BillRow("anthropic", USAGE, "2026-03-10", "claude-opus-4-6", "batch||", 8, 4, 3, 1, 2, 5)
    ]
    cost = (
        f"{COST_HEAD},api_key_id\n"
        "2026-03-10,Claude Opus 4.6,Default,key,message,> 200k,output,$0.50,0.50,token,us,,k\n"
        "2026-03-10,,Default,key,message,,,0.02,0.02,web_search,,,k\n"
        "2026-03-10,,Default,key,message,,,0.03,0.03,,,,k\n"
    )
    assert [(row.model, row.item, row.cost_microusd) for row in read(cost.encode())] == [
        ("claude-opus-4-6", "output||us|long", 500_000),
        ("other", "|||", 30_000),
        ("web_search", "|||", 20_000),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "none of the columns"),
        (b"date,model,cost\n2026-03-10,x,1\n", "none of the columns"),
        (b"\xff\xfe", "cannot be read"),
        (b"{", "Admin API"),
        (b'{"data": 3}', "Admin API"),
        (f"{COST_HEAD}\nyesterday,x,,,,,,1\n".encode(), "no day"),
        (f"{COST_HEAD}\n2026-03-10,x,,,,,,much\n".encode(), "line 2: cost_usd is no amount"),
        (f"{COST_HEAD}\n2026-03-10,x,,,,,,Infinity\n".encode(), "no amount"),
        (f"{COST_HEAD}\n2026-03-10,x,,,,,,1e20\n".encode(), "no amount"),
        (f"{COST_HEAD}\n2026-03-10\n".encode(), "no amount"),
        (f"{USAGE_HEAD}\n2026-03-10,x,,,,,many\n".encode(), "line 2: a count"),
        (f"{USAGE_HEAD}\n2026-03-10,x,,,,,-1\n".encode(), "no number of tokens"),
        (json.dumps(page(charged("1", currency="EUR"))).encode(), "EUR"),
        (json.dumps(page(charged("1", currency="a b"))).encode(), "no currency"),
        (json.dumps(page(used(), day="soon")).encode(), "no day"),
    ],
)
def test_what_is_no_report_is_refused(content: bytes, said: str) -> None:
    """With what is expected, or the line."""
    with pytest.raises(UsageError, match=said):
        read(content)


def test_a_page_tells_where_the_next_one_is() -> None:
    """And what is neither a cost nor a usage is passed over."""
    found = read_page(json.dumps(page({}) | {"has_more": True, "next_page": "page_2"}).encode())
    assert (found.has_more, found.next_page) == (True, "page_2")
    assert rows(page({})) == []
    with pytest.raises(UsageError, match="Admin API"):
        read_page(b"<html>")


@given(st.binary() | st.text().map(lambda text: f"{COST_HEAD}\n{text}".encode()))
def test_any_file(content: bytes) -> None:
    """It is read or refused."""
    with suppress(UsageError):
        assert isinstance(read(content), list)
