"""Asks Anthropic's Admin API what it charged and counted, day by day.

The key is asked for each time, sent as a header to this one address, and never logged. Redirects
are not followed, bodies and pages are bounded. Nothing is tried again here: the next look comes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, timedelta

import aiohttp

from twotier.domain.bill import COST, USAGE, BillRow
from twotier.errors import ConfigError, UpstreamError
from twotier.outside.bills import PROVIDER, Page, read_page, rows_of, summed

COST_PATH = "/v1/organizations/cost_report"
USAGE_PATH = "/v1/organizations/usage_report/messages"
VERSION = "2023-06-01"
DAYS_MAX = 31  # of one answer, and of one question of ours
PAGES_MAX = 50
BODY_BYTES_MAX = 16_000_000
ASK_SECONDS_MAX = 60.0
_GROUPS = {
    COST_PATH: ("description",),
    USAGE_PATH: ("model", "service_tier", "context_window", "inference_geo"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What the provider said, and of which days; a day without rows cost nothing."""

    rows: list[BillRow]
    billed: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Admin:
    """The API at `url`. `key` finds the admin key, None where there is none (yet)."""

    url: str
    key: Callable[[], str | None]

    async def ask(self, first: date, last: date) -> Told:
        """Both reports of these days of UTC, at most 31. Raises `ConfigError` without a key,
        `UpstreamError` where the API says no or cannot be reached, `UsageError` for what is no
        report.
        """
        key = self.key()
        if key is None:
            raise ConfigError("the admin key is not where [outside] admin_key says it lies")
        headers = {"x-api-key": key, "anthropic-version": VERSION}
        timeout = aiohttp.ClientTimeout(total=ASK_SECONDS_MAX)
        try:
            async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
                rows = [row async for row in self._rows(session, (first, last))]
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise UpstreamError(
                f"the Admin API cannot be asked ({type(exc).__name__}); see [outside] admin_url",
                upstream_status=0,
            ) from exc
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        kinds = (COST, USAGE)
        billed = tuple((PROVIDER, kind, day.isoformat()) for kind in kinds for day in days)
        return Told(summed(rows), billed)

    async def _rows(
        self, session: aiohttp.ClientSession, span: tuple[date, date]
    ) -> AsyncIterator[BillRow]:
        for path in (COST_PATH, USAGE_PATH):
            async for page in self._pages(session, path, span=span):
                for row in rows_of(page):
                    yield row

    async def _pages(
        self, session: aiohttp.ClientSession, path: str, *, span: tuple[date, date]
    ) -> AsyncIterator[Page]:
        query = [
            ("starting_at", f"{span[0].isoformat()}T00:00:00Z"),
            ("ending_at", f"{(span[1] + timedelta(days=1)).isoformat()}T00:00:00Z"),
            ("bucket_width", "1d"),
            ("limit", str(DAYS_MAX)),
            *(("group_by[]", one) for one in _GROUPS[path]),
        ]
        page: list[tuple[str, str]] = []
        for _ in range(PAGES_MAX):
            found = await self._page(session, path, query=[*query, *page])
            yield found
            if not (found.has_more and found.next_page):
                return
            page = [("page", found.next_page)]
        raise UpstreamError(f"the Admin API has more than {PAGES_MAX} pages", upstream_status=200)

    async def _page(
        self, session: aiohttp.ClientSession, path: str, *, query: list[tuple[str, str]]
    ) -> Page:
        url = self.url.rstrip("/") + path
        async with session.get(url, params=query, allow_redirects=False) as reply:
            if reply.status != 200:
                raise UpstreamError(_refusal(reply.status), upstream_status=reply.status)
            body = await reply.content.read(BODY_BYTES_MAX)
            while len(body) < BODY_BYTES_MAX and (more := await reply.content.read(BODY_BYTES_MAX)):
                body += more
        return read_page(body)


def _refusal(status: int) -> str:
    if status in (401, 403):
        return (
            f"the Admin API refuses the key ({status}); [outside] admin_key needs an admin key of"
            " the organization (sk-ant-admin...), which an ordinary key is not"
        )
    return f"the Admin API answered with status {status}; it is asked again later"
