"""Searches the web: the owner's own SearXNG, or Brave with a key, which is paid for by query.

What comes back is written by strangers, and the query leaves the machine in any case: SearXNG asks
other services with it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yarl import URL

from twotier.domain.fee import Use
from twotier.domain.label import Label, Labels
from twotier.errors import NOT_READABLE, FeeError, ReachError, ToolError
from twotier.tools.base import Call, Result, Tool, ToolSpec
from twotier.tools.page import Page
from twotier.tools.settings import Bench, SearchAt, Wanted

LABELS: Labels = frozenset({Label.UNTRUSTED, Label.SENDS})
PAID: Labels = LABELS | {Label.COSTS}
BRAVE_URL = "https://api.search.brave.com/res/v1/web/search"
BRAVE_MICROUSD = 5_000  # as in ledger/prices.toml; a test compares
BRAVE, UNIT = "brave", "search"
RESULTS_MAX = 10
QUERY_CHARACTERS_MAX = 400
SNIPPET_CHARACTERS_MAX = 400


def make(wanted: Wanted, bench: Bench) -> Sequence[Tool]:
    """The tool; it takes no targets."""
    del wanted
    return [Search(bench, bench.search_at())]


@dataclass(frozen=True, slots=True)
class Search:
    """Asks one search service."""

    bench: Bench
    at: SearchAt

    @property
    def spec(self) -> ToolSpec:
        """What it takes."""
        parameters = {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
            "additionalProperties": False,
        }
        labels = PAID if self.at.price_microusd else LABELS
        return ToolSpec(
            "search",
            "Search the web: titles, addresses, excerpts.",
            parameters,
            labels,
            looks=True,
        )

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """The same for every query."""
        del arguments
        return self.spec.labels

    def price_microusd(self, arguments: Mapping[str, Any]) -> int:
        """What this query costs."""
        del arguments
        return self.at.price_microusd

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """Results, one after the other. Raises `ToolError`."""
        query = " ".join(str(arguments["query"]).split())
        if not query or len(query) > QUERY_CHARACTERS_MAX:
            raise ToolError(f"a query has 1 to {QUERY_CHARACTERS_MAX} characters")
        try:
            page = await (self._paid if self.at.price_microusd else self._asked)(query, call)
        except ReachError as exc:
            raise ToolError(f"the search failed: {exc.message}") from exc
        except FeeError as exc:
            raise ToolError(f"the search was not paid for: {exc.message}") from exc
        found = results(page, self.at.backend)
        text = "\n\n".join(map(shown, found[:RESULTS_MAX])) or "nothing was found"
        return Result(text, LABELS - {Label.SENDS}, cost_microusd=self.at.price_microusd)

    async def _paid(self, query: str, call: Call) -> Page:
        """Held before, settled after. A search that was answered with an error costs nothing; one
        that was not answered may have cost something, and so it does.
        """
        fees = self.bench.fees
        if fees is None:
            raise ToolError("nothing here books what a search costs; it was not made")
        use = Use(call.key, call.job, BRAVE, UNIT, 1)
        await fees.hold(use)
        count = 1
        try:
            return await self._asked(query, call)
        except ReachError as exc:
            count = 0 if exc.page_status or exc.forbidden else 1
            raise
        except ToolError:  # its key is missing
            count = 0
            raise
        finally:
            await asyncio.shield(fees.settle(use, count))

    async def _asked(self, query: str, call: Call) -> Page:
        seconds = min(self.bench.sizes.seconds_max, call.deadline_seconds)
        if self.at.backend == BRAVE:
            url = URL(self.at.url or BRAVE_URL) % {"q": query, "count": str(RESULTS_MAX)}
            headers = {"x-subscription-token": self.at.key(), "accept": "application/json"}
        else:
            url = URL(self.at.url) / "search" % {"q": query, "format": "json"}
            headers = {"accept": "application/json"}
        web = self.bench.web.owners(self.at.url) if self.at.url else self.bench.web
        page = await web.get(str(url), headers=headers, seconds=seconds)
        return page.expect_ok()


def results(page: Page, backend: str) -> list[Mapping[str, Any]]:
    """What was found. Raises `ToolError` for an answer of another form."""
    try:
        told = json.loads(page.body)
        found = (told.get("web") or {}).get("results", []) if backend == BRAVE else told["results"]
        return [one for one in found if isinstance(one, dict)]
    except (*NOT_READABLE, KeyError, TypeError, AttributeError) as exc:
        hint = "" if backend == BRAVE else "; allow the format json in its settings.yml"
        raise ToolError(f"the search service did not answer with results{hint}") from exc


def shown(one: Mapping[str, Any]) -> str:
    """One result in three lines. SearXNG calls the excerpt content, Brave description."""
    excerpt = str(one.get("content") or one.get("description") or "")
    lines = (str(one.get("title") or ""), str(one.get("url") or ""), plain(excerpt))
    return "\n".join(" ".join(line.split()) for line in lines if line)


def plain(text: str) -> str:
    """An excerpt without the marks of what matched."""
    for mark in ("<strong>", "</strong>", "<b>", "</b>"):
        text = text.replace(mark, "")
    return text[:SNIPPET_CHARACTERS_MAX]
