"""Watches the releases of a repository: what is published is an item, once.

The first page of the list holds the latest releases, whichever of them was drafted when. It is
asked for with its ETag, so that a quiet look costs nothing of the rate limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from twotier.domain.clock import Clock
from twotier.domain.job import Item
from twotier.watch import github_wire as wire
from twotier.watch.base import Around, Look
from twotier.watch.github import Github, Pages
from twotier.watch.github_discussions import written

PER_PAGE = 30
SEEN_KEPT = 300


@dataclass(frozen=True, slots=True)
class ReleasesWatcher:
    """One repository."""

    github: Github
    repo: str
    prereleases: bool
    since_seconds: float | None
    item_bytes_max: int
    clock: Clock

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> ReleasesWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            github=Github.of(settings, around),
            repo=str(settings["repo"]),
            prereleases=bool(settings["prereleases"]),
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            clock=around.clock,
        )

    @property
    def place(self) -> str:
        """The repository, at its API."""
        return f"github-releases:{self.github.api}:{self.repo}"

    async def look(self, cursor: Any) -> Look:
        """Releases that were not there at the last look, the oldest first. Raises `WatchError`."""
        known = cursor if isinstance(cursor, Mapping) else {}
        seen = [one for one in known.get("seen") or () if isinstance(one, str)]
        pages = Pages(1)
        where = f"/repos/{self.repo}/releases?per_page={PER_PAGE}"
        await pages.read(self.github, where, etag=wire.text(known.get("etag")))
        rows = [row for row in pages.rows if row.get("draft") is not True]
        new = [row for row in rows if identity(row) not in seen]
        seen = [*(identity(row) for row in new), *seen][:SEEN_KEPT]
        told = [row for row in new if self.prereleases or row.get("prerelease") is not True]
        if cursor is None:
            since = written(self.clock.now() - timedelta(seconds=self.since_seconds or 0.0))
            back = self.since_seconds is not None
            told = [row for row in told if back and published(row) >= since]
        items = tuple(self._item(row) for row in sorted(told, key=published))
        return Look(items, {"etag": pages.etag, "seen": seen})

    def _item(self, row: wire.Row) -> Item:
        tag = wire.line(row.get("tag_name"))
        title = wire.line(row.get("name")) or tag
        named = title if tag in title else f"{title} ({tag})"
        post = wire.rest_post({**row, "user": row.get("author")}, heading=named)
        stamped = wire.Post(post.id, post.url, post.author, post.text, published(row))
        item = wire.item_of(stamped, f"{self.repo} {named}", bytes_max=self.item_bytes_max)
        return Item(
            f"{self.repo}:{identity(row)}",
            item.title,
            item.text,
            item.source,
            bytes_cut=item.bytes_cut,
            author=item.author,
            at=item.at,
            link=item.link,
        )


def identity(row: wire.Row) -> str:
    """What a release is known by, whatever its text says later."""
    number = row.get("id")
    return str(number) if isinstance(number, int) else wire.text(row.get("html_url"))


def published(row: wire.Row) -> str:
    """When it came out."""
    return wire.stamp(row.get("published_at")) or wire.stamp(row.get("created_at"))
