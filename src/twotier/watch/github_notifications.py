"""Watches the notifications of the token's owner: mentions, review requests, what he subscribed to.

GitHub says how often it may be asked (X-Poll-Interval): a look before that is quiet without a
request. It is asked with the date of its last answer, so a quiet look costs nothing of the rate
limit. Nothing is marked as read. An item is the notification, not what it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from twotier.domain.clock import Clock
from twotier.domain.job import Item
from twotier.errors import WatchError
from twotier.watch import github_wire as wire
from twotier.watch.base import Around, Look
from twotier.watch.github import Github
from twotier.watch.github_discussions import newest, written

PAGES_MAX = 5
PER_PAGE = 50
SEEN_KEPT = 1_000
POLL_SECONDS_MAX = 86_400


@dataclass(frozen=True, slots=True)
class NotificationsWatcher:
    """One account. `reasons` are those that count, empty for all."""

    github: Github
    participating: bool
    reasons: frozenset[str]
    since_seconds: float | None
    item_bytes_max: int
    clock: Clock

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> NotificationsWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            github=Github.of(settings, around),
            participating=bool(settings["participating"]),
            reasons=frozenset(settings["reasons"]),
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            clock=around.clock,
        )

    @property
    def place(self) -> str:
        """The account that the API's token belongs to."""
        return f"github-notifications:{self.github.api}:{self.participating:d}"

    async def look(self, cursor: Any) -> Look:
        """New notifications, the oldest first. Raises `WatchError`."""
        known = dict(cursor) if isinstance(cursor, Mapping) else {}
        now = self.clock.now()
        if written(now) < wire.text(known.get("not_before")):
            return Look((), cursor)
        modified = wire.text(known.get("modified"))
        headers = {"if-modified-since": modified} if modified else {}
        query = urlencode({"participating": str(self.participating).lower(), "per_page": PER_PAGE})
        rows, told = await self._pages(f"/notifications?{query}", headers)
        seen = dict(known.get("seen") or {})
        new = [row for row in rows if seen.get(wire.text(row.get("id"))) != updated(row)]
        seen |= {wire.text(row.get("id")): updated(row) for row in new}
        start, is_new = self._start(cursor, rows, now=now)
        wanted = [row for row in new if is_new and self._counts(row) and updated(row) >= start]
        items = tuple(self._item(row) for row in sorted(wanted, key=updated))
        moved = {
            "start": start,
            "modified": told.get("last-modified", modified)[:100],
            "not_before": written(now + timedelta(seconds=poll_seconds(told))),
            "seen": newest(seen, SEEN_KEPT),
        }
        return Look(items, moved)

    async def _pages(
        self, where: str, headers: Mapping[str, str]
    ) -> tuple[list[wire.Row], Mapping[str, str]]:
        """The notifications, and what the first answer says of itself."""
        found: list[wire.Row] = []
        told: Mapping[str, str] = {}
        for _ in range(PAGES_MAX):
            page = await self.github.get(where, headers=headers)
            told = told or page.headers
            if page.status == 304:
                break
            body = wire.decoded(page.body)
            if not isinstance(body, list):
                raise WatchError("GitHub's answer is not the list its documentation shows")
            found += wire.rows(body)
            where, headers = wire.next_page(page.headers), {}
            if not where:
                break
        return found, told

    def _start(self, cursor: Any, rows: Sequence[wire.Row], *, now: datetime) -> tuple[str, bool]:
        """What changed before that is old; and whether anything is new in this look at all."""
        if isinstance(cursor, Mapping):
            return wire.text(cursor.get("start")), True
        if self.since_seconds is not None:
            return written(now - timedelta(seconds=self.since_seconds)), True
        return max(map(updated, rows), default=""), False

    def _counts(self, row: wire.Row) -> bool:
        return not self.reasons or wire.text(row.get("reason")) in self.reasons

    def _item(self, row: wire.Row) -> Item:
        about = wire.text(wire.at(row, "subject", "latest_comment_url"))
        subject = wire.text(wire.at(row, "subject", "url")) or about
        repo = wire.line(wire.at(row, "repository", "full_name"))
        title = wire.line(wire.at(row, "subject", "title")) or "a notification"
        link = wire.page_link(subject) or wire.link(wire.at(row, "repository", "html_url"))
        kind, why = wire.line(wire.at(row, "subject", "type")), wire.line(row.get("reason"))
        text = f"{title}\n\n{kind} in {repo}, notified because: {why}"
        post = wire.Post(wire.text(row.get("id")), link, "", text, updated(row))
        return wire.item_of(post, f"{repo}: {title}", bytes_max=self.item_bytes_max)


def updated(row: wire.Row) -> str:
    """When it changed last."""
    return wire.stamp(row.get("updated_at"))


def poll_seconds(headers: Mapping[str, str]) -> int:
    """How long GitHub wants to be left alone."""
    said = headers.get("x-poll-interval", "")
    return min(int(said), POLL_SECONDS_MAX) if said.isdecimal() and len(said) < 9 else 60
