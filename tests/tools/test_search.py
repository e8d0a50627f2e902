"""Searching, with servers that answer as SearXNG and Brave do."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.tools.benches import a_call, bench
from tests.tools.sites import Site, looped, site, text
from twotier.domain.fee import Use
from twotier.domain.label import Label
from twotier.errors import FeeError, ToolError
from twotier.ledger.shipped import shipped_prices
from twotier.tools.base import Tool
from twotier.tools.search import BRAVE_MICROUSD, Search, make
from twotier.tools.settings import SearchAt, Wanted

FOUND = [
    {"title": "Lamp  oil", "url": "https://a.example/oil", "content": "Oil for\nlamps."},
    {"title": "Wicks", "url": "https://b.example/", "content": ""},
    "no result at all",
]


class Booked:
    """A ledger that writes down what it is told, or says no."""

    def __init__(self, because: str = "") -> None:
        self.because = because
        self.rows: list[tuple[str, int | None]] = []

    async def hold(self, use: Use) -> None:
        if self.because:
            raise FeeError(self.because)
        assert (use.provider, use.unit, use.count, use.key) == ("brave", "search", 1, "r1:tool:1")
        self.rows.append((use.job, None))

    async def settle(self, use: Use, count: int) -> None:
        self.rows.append((use.job, count))


def searcher(at: SearchAt | None, fees: Booked | None = None) -> Tool:
    (tool,) = make(Wanted("search"), bench(Path("/nowhere"), search=at, fees=fees))
    return tool


def searxng(here: Site) -> Tool:
    return searcher(SearchAt("searxng", here.url))


@looped
async def test_searxng_is_asked_for_json() -> None:
    """Titles, addresses and excerpts, a line each; the query is one line too."""
    async with site() as here:
        here.pages["/search"] = text(json.dumps({"results": FOUND}), kind="application/json")
        result = await searxng(here).call({"query": " lamp\n oil "}, a_call())
        assert result.text == (
            "Lamp oil\nhttps://a.example/oil\nOil for lamps.\n\nWicks\nhttps://b.example/"
        )
        assert result.labels == {Label.UNTRUSTED}
        assert result.cost_microusd == 0
        asked = parse_qs(urlsplit(here.paths()[0]).query)
        assert asked == {"q": ["lamp oil"], "format": ["json"]}


@looped
async def test_brave_is_paid_by_query() -> None:
    """The key goes in a header; what it cost is booked with the result, and known before."""
    async with site() as here:
        found = [{**FOUND[0], "description": "<strong>Oil</strong>"}]  # type: ignore[dict-item]
        found[0].pop("content")
        here.pages["/web"] = text(json.dumps({"web": {"results": found}}))
        at = SearchAt("brave", f"{here.url}/web", key=lambda: "k1", price_microusd=5_000)
        fees = Booked()
        tool = searcher(at, fees)
        result = await tool.call({"query": "oil"}, a_call())
        assert result.text.endswith("\nOil")
        assert result.cost_microusd == 5_000
        assert here.headers()["x-subscription-token"] == "k1"
        assert tool.spec.labels == {Label.UNTRUSTED, Label.SENDS, Label.COSTS}
        assert isinstance(tool, Search)
        assert tool.price_microusd({}) == 5_000
        assert fees.rows == [("toy", None), ("toy", 1)]
        here.pages["/web"] = text(json.dumps({"query": {}}))
        assert (await tool.call({"query": "oil"}, a_call())).text == "nothing was found"


@looped
async def test_a_search_that_is_not_paid_for_is_not_made() -> None:
    """A budget's no, no ledger at all; one that was refused by Brave costs nothing, one that got no
    answer may have.
    """
    async with site() as here:
        at = SearchAt("brave", f"{here.url}/web", key=lambda: "k1", price_microusd=5_000)
        with pytest.raises(ToolError, match="nothing here books"):
            await searcher(at).call({"query": "oil"}, a_call())
        with pytest.raises(ToolError, match="not paid for: the day's limit is reached"):
            await searcher(at, Booked("the day's limit is reached")).call({"query": "x"}, a_call())
        assert not here.asked
        here.pages["/web"] = text("", status=401)
        fees = Booked()
        with pytest.raises(ToolError, match="status 401"):
            await searcher(at, fees).call({"query": "oil"}, a_call())
    with pytest.raises(ToolError, match="cannot be reached"):
        await searcher(at, fees).call({"query": "oil"}, a_call())
    assert [count for _, count in fees.rows] == [None, 0, None, 1]


def test_the_price_is_the_shipped_one() -> None:
    """The worker knows no price book, so it holds the one price it needs."""
    price = shipped_prices().unit_price("brave", "search", on=date(2026, 9, 1))
    assert price is not None
    assert price.microusd == BRAVE_MICROUSD


@looped
async def test_what_went_wrong_is_told() -> None:
    """A service that answers with a page, with a status, or not at all; a query that is none."""
    async with site() as here:
        here.pages["/search"] = text("<html>")
        with pytest.raises(ToolError, match=r"did not answer with results; allow the format json"):
            await searxng(here).call({"query": "oil"}, a_call())
        here.pages["/search"] = text("[]")
        with pytest.raises(ToolError, match="did not answer with results"):
            await searxng(here).call({"query": "oil"}, a_call())
        here.pages["/search"] = text("", status=429)
        with pytest.raises(ToolError, match=r"the search failed: .* status 429"):
            await searxng(here).call({"query": "oil"}, a_call())
        for query in (" ", "x" * 500):
            with pytest.raises(ToolError, match="a query has 1 to 400"):
                await searxng(here).call({"query": query}, a_call())


def test_a_query_leaves_the_machine() -> None:
    """Whoever answers, it is asked elsewhere too; and without a place there is no search."""
    tool = searcher(SearchAt("searxng", "http://127.0.0.1:1"))
    assert tool.needs({"query": "x"}) == {Label.UNTRUSTED, Label.SENDS}
    with pytest.raises(ToolError, match=r"set backend and url in \[tools.search\]"):
        searcher(None)
