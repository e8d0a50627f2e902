"""Watches the issues of a repository, its pull requests if wished, and what is said about them.

Two lists ordered by update time, asked for with their ETag, so that a quiet look is two answers 304
that cost nothing of the rate limit. An issue is an item when it is new or when its text was edited
after we first saw it; labels, assignees and a changed state make none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from twotier.domain.clock import Clock
from twotier.domain.job import Item
from twotier.watch import github_wire as wire
from twotier.watch.base import Around, Look
from twotier.watch.github import Github, Pages
from twotier.watch.github_discussions import newest, written
from twotier.watch.visible import visible

PAGES_MAX = 10  # in one look; the next one goes on behind them
PER_PAGE = 100
SEEN_KEPT = 3_000


@dataclass(slots=True)
class Reading:
    """How far one list was read: all that changed before `since`; `etag` is that of the first page
    from there. `seen` says of each thing when it changed and which text it had, as `time text`.
    `start`: what was made before is old.
    """

    start: str = ""
    since: str = ""
    etag: str = ""
    seen: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> Reading:
        """From a stored cursor."""
        found = value if isinstance(value, Mapping) else {}
        start, since, etag = (wire.text(found.get(name)) for name in ("start", "since", "etag"))
        return cls(start, since, etag, dict(found.get("seen") or {}))

    def json(self) -> dict[str, Any]:
        """As it is stored, with the newest of what is remembered."""
        return {
            "start": self.start,
            "since": self.since,
            "etag": self.etag,
            "seen": newest(self.seen, SEEN_KEPT),
        }


@dataclass(frozen=True, slots=True)
class IssuesWatcher:
    """One repository."""

    github: Github
    repo: str
    issues: bool
    pulls: bool
    comments: bool
    skip_authors: frozenset[str]
    since_seconds: float | None
    item_bytes_max: int
    clock: Clock

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> IssuesWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            github=Github.of(settings, around),
            repo=str(settings["repo"]),
            issues=bool(settings["issues"]),
            pulls=bool(settings["pulls"]),
            comments=bool(settings["comments"]),
            skip_authors=frozenset(name.lower() for name in settings["skip_authors"]),
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            clock=around.clock,
        )

    @property
    def place(self) -> str:
        """The repository, at its API, and what of it counts."""
        what = f"{self.issues:d}{self.pulls:d}{self.comments:d}"
        return f"github-issues:{self.github.api}:{self.repo}:{what}"

    async def look(self, cursor: Any) -> Look:
        """New issues, edits and comments, the oldest first. Raises `WatchError`."""
        known = cursor if isinstance(cursor, Mapping) else {}
        lists = {"issues": "/issues", **({"comments": "/issues/comments"} if self.comments else {})}
        items: list[Item] = []
        moved: dict[str, Any] = {}
        for name, path in lists.items():
            reading = Reading.of(known.get(name))
            if name not in known and self.since_seconds is None:
                await self._begin(path, reading)
            else:
                if name not in known:
                    back = timedelta(seconds=self.since_seconds or 0.0)
                    reading.start = reading.since = written(self.clock.now() - back)
                items += self._new(await self._rows(path, reading), reading)
            moved[name] = reading.json()
        return Look(tuple(sorted(items, key=lambda item: item.at)), moved)

    async def _begin(self, path: str, reading: Reading) -> None:
        """Stand where the list stands now, by GitHub's time: ours may be wrong."""
        query: dict[str, Any] = {"sort": "updated", "direction": "desc", "per_page": PER_PAGE}
        query |= {"state": "all"} if path == "/issues" else {}
        pages = Pages(1)
        await pages.read(self.github, f"/repos/{self.repo}{path}?{urlencode(query)}")
        stamps = [wire.stamp(row.get("updated_at")) for row in pages.rows]
        reading.start = reading.since = max(stamps, default="")
        tuple(self._new(pages.rows, reading))  # now they have been seen

    async def _rows(self, path: str, reading: Reading) -> list[wire.Row]:
        """What changed since, the oldest change first; moves `since` over it."""
        query: dict[str, Any] = {"sort": "updated", "direction": "asc", "per_page": PER_PAGE}
        query |= {"since": reading.since} if reading.since else {}
        query |= {"state": "all"} if path == "/issues" else {}
        pages = Pages(PAGES_MAX)
        where = f"/repos/{self.repo}{path}?{urlencode(query)}"
        await pages.read(self.github, where, etag=reading.etag)
        latest = max((wire.stamp(row.get("updated_at")) for row in pages.rows), default="")
        # An ETag is worth something as long as the same page is asked for.
        reading.etag = pages.etag if latest <= reading.since else ""
        reading.since = max(reading.since, latest)
        return pages.rows

    def _new(self, rows: list[wire.Row], reading: Reading) -> Iterator[Item]:
        for row in rows:
            identity = wire.text(row.get("node_id")) or wire.text(row.get("html_url"))
            title = wire.line(row.get("title"))
            post = wire.rest_post(row, heading=title)
            before = reading.seen.get(identity)
            reading.seen[identity] = f"{wire.stamp(row.get('updated_at'))} {post.id}"
            if before is not None and before.partition(" ")[2] == post.id:
                continue
            # A comment's time changes with its text alone, an issue's with anything.
            made = row.get("created_at" if "title" in row else "updated_at")
            if before is None and wire.stamp(made) < reading.start:
                continue
            if identity and self._counts(row) and post.author.lower() not in self.skip_authors:
                yield self._item(row, post, title=title)

    def _counts(self, row: wire.Row) -> bool:
        if "title" not in row:
            return bool(visible(wire.text(row.get("body"))).strip())
        return self.pulls if wire.at(row, "pull_request") is not None else self.issues

    def _item(self, row: wire.Row, post: wire.Post, *, title: str) -> Item:
        number = post.url.partition("#")[0].rpartition("/")[2]
        shown = f"{title} (#{number})" if title else f"comment on #{number}"
        at = wire.stamp(row.get("updated_at"))
        made = wire.Post(post.id, post.url, post.author, post.text, at)
        item = wire.item_of(made, shown, bytes_max=self.item_bytes_max)
        return Item(
            post.id,
            item.title,
            item.text,
            item.source,
            bytes_cut=item.bytes_cut,
            author=item.author,
            at=item.at,
            link=item.link,
        )
