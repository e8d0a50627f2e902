"""Asks GitHub, or a GitHub Enterprise server, for a watcher: one request, its answer or its reason.

A refusal is `WatchError` with GitHub's own words and the time to come back; until then nothing more
is asked, because asking on is what makes GitHub block a token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twotier.domain.clock import Clock
from twotier.errors import ReachError, WatchError
from twotier.tools.page import Page
from twotier.tools.web import Web
from twotier.watch import github_wire as wire
from twotier.watch.base import Around
from twotier.watch.pause import Pause

PAGE_BYTES_MAX = 24_000_000
SECONDS_MAX = 30.0
RETRY_SECONDS = 60.0  # where GitHub limits us and does not say for how long
VERSION = {"x-github-api-version": "2022-11-28", "accept": "application/vnd.github+json"}


@dataclass(slots=True)
class Github:
    """One API with one token; the place of the token is asked anew for each request."""

    api: str
    token: Callable[[], str]
    web: Web
    clock: Clock
    pause: Pause

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> Github:
        """The API that a watcher's settings name."""
        api, place = str(settings["api"]).rstrip("/"), str(settings["token"])
        return cls(
            api=api,
            token=lambda: around.secret(place) if place else "",
            web=around.web.owners(api),
            clock=around.clock,
            pause=Pause(around.clock),
        )

    async def get(self, where: str, *, headers: Mapping[str, str] | None = None) -> Page:
        """A page of REST, or a 304. `where` is a path, or an address that a page named as the next
        one, which must lie at the same API. Raises `WatchError`.
        """
        url = where if where.startswith("http") else f"{self.api}{where}"
        if not url.startswith(f"{self.api}/"):
            raise WatchError("GitHub names a next page on another machine; nothing was asked there")
        return await self._asked(url, headers=headers or {})

    async def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        """The `data` of an answer without errors. Raises `WatchError`."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        url = self.api.removesuffix("/v3") + "/graphql"
        page = await self._asked(url, method="POST", headers={}, body=body)
        found = wire.decoded(page.body)
        for kind, message in wire.graphql_errors(found):
            if kind == "RATE_LIMITED":
                seconds = wire.wait_seconds(page.headers, now=self.clock.now())
                raise self.pause.begin(message, seconds=seconds or RETRY_SECONDS)
            raise WatchError(f"GitHub says: {message}")
        data = wire.at(found, "data")
        if not isinstance(data, Mapping):
            raise WatchError("GitHub's answer is not the JSON its documentation shows")
        return data

    async def _asked(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        method: str = "GET",
        body: bytes | None = None,
    ) -> Page:
        self.pause.check()
        token = self.token()
        said = {**VERSION, **headers, **({"authorization": f"Bearer {token}"} if token else {})}
        try:
            page = await self.web.request(
                url,
                method=method,
                headers=said,
                body=body,
                bytes_max=PAGE_BYTES_MAX,
                seconds=SECONDS_MAX,
            )
        except ReachError as exc:
            raise WatchError(exc.message) from exc
        if page.status in (200, 304):
            return page
        because, advice = wire.refusal(page.status, page.headers, raw=page.body)
        sentence = f"GitHub says {page.status}: {because}; {advice}"
        seconds = wire.wait_seconds(page.headers, now=self.clock.now())
        if page.status in (403, 429) and (seconds is not None or "rate limit" in because.lower()):
            raise self.pause.begin(sentence, seconds=RETRY_SECONDS if seconds is None else seconds)
        raise WatchError(sentence)


@dataclass(slots=True)
class Pages:
    """What several requests of one look found, and how many more it may make."""

    left: int
    rows: list[wire.Row] = field(default_factory=list)
    etag: str = ""

    async def read(self, github: Github, where: str, *, etag: str = "") -> str:
        """Read pages from `where` on into `rows`; the address of what was not read any more.

        The first one is asked for only if it is not the one with this ETag; unchanged, it costs
        nothing of the rate limit.
        """
        headers = {"if-none-match": etag} if etag else {}
        while where and self.left:
            self.left -= 1
            page = await github.get(where, headers=headers)
            if page.status == 304:
                self.etag = etag
                return ""
            self.etag = self.etag or page.headers.get("etag", "")[:200]
            found = wire.decoded(page.body)
            if not isinstance(found, list):
                raise WatchError("GitHub's answer is not the list its documentation shows")
            self.rows += wire.rows(found)
            where, headers = wire.next_page(page.headers), {}
        return where
