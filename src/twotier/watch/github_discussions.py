"""Watches the discussions of a repository, and so the comments of every page that uses Giscus.

One GraphQL query gives the discussions changed last, with their latest comments and replies. A
discussion that changed is read whole, because a reply may stand under an old comment. What is new
is what got its text after its discussion was read last; times are GitHub's, never ours.

GitHub does not move a discussion's time for every edit. An edit is seen at once among the latest
comments of the discussions changed last, elsewhere when something new comes to its discussion.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from twotier.domain.clock import Clock
from twotier.domain.job import Item
from twotier.errors import ReachError, WatchError
from twotier.watch import github_wire as wire
from twotier.watch.base import Around, Look, Unreadable
from twotier.watch.github import Github

SHOWN = {"first": 15, "comments": 30, "replies": 20}  # about 5 of 5,000 points of an hour
FEW = {"first": 3, "comments": 8, "replies": 4}  # where somebody wrote at great length
OLDER_COUNT, OLDER_REPLIES = 50, 20
PAGES_MAX = 5  # of discussions, in one look; the next look goes on behind them
OLDER_MAX = 25  # pages of older comments and replies in one look
THREADS_KEPT, SEEN_KEPT = 500, 2_000
OVERLAP = timedelta(minutes=2)  # what GitHub shows late may carry an earlier time


@dataclass(slots=True)
class Progress:
    """How far the discussions were read. `start` is where the first look stood, `since` when the
    newest one read had changed; `walked` says of each when it had changed as it was read; `seen`
    are posts at those edges with their revision. `resume` goes on behind pages already read, and
    `high` becomes `since` when that is done.
    """

    start: str = ""
    since: str = ""
    walked: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    resume: str = ""
    high: str = ""

    @classmethod
    def of(cls, cursor: Any) -> Progress:
        """From a stored cursor; what is no cursor of ours is the state before the first look."""
        if not isinstance(cursor, Mapping):
            return cls()
        return cls(
            start=wire.text(cursor.get("start")),
            since=wire.text(cursor.get("since")),
            walked=dict(cursor.get("walked") or {}),
            seen=dict(cursor.get("seen") or {}),
            resume=wire.text(cursor.get("resume")),
            high=wire.text(cursor.get("high")),
        )

    def json(self) -> dict[str, Any]:
        """As it is stored, with the newest of what is remembered."""
        return {
            "start": self.start,
            "since": self.since,
            "walked": newest(self.walked, THREADS_KEPT),
            "seen": newest(self.seen, SEEN_KEPT),
            "resume": self.resume,
            "high": self.high,
        }


@dataclass(frozen=True, slots=True)
class DiscussionsWatcher:
    """One repository. `category` is a category's slug, empty for all."""

    github: Github
    repo: str
    category: str
    openings: bool
    own: bool
    since_seconds: float | None
    item_bytes_max: int
    clock: Clock

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> DiscussionsWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            github=Github.of(settings, around),
            repo=str(settings["repo"]),
            category=str(settings["category"]),
            openings=bool(settings["openings"]),
            own=bool(settings["own"]),
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            clock=around.clock,
        )

    @property
    def place(self) -> str:
        """The repository and its category, at its API."""
        return f"github-discussions:{self.github.api}:{self.repo}:{self.category}"

    async def look(self, cursor: Any) -> Look:
        """New and edited posts, the oldest first. Raises `WatchError`."""
        progress, first = Progress.of(cursor), cursor is None
        if first and self.since_seconds is not None:
            start = self.clock.now() - timedelta(seconds=self.since_seconds)
            progress.start = progress.since = written(start)
            first = False
        budget = Budget(OLDER_MAX)
        items: list[tuple[str, Item]] = []
        untold: list[Unreadable] = []
        threads = [thread async for thread in self._changed(progress, only_one_page=first)]
        if first:
            progress.start = progress.since
        for thread in threads:
            whole = thread if first else await self._whole(thread, progress, budget=budget)
            if whole.older and not first and whole.updated != progress.walked.get(thread.id):
                untold.append(left_out(whole))
            new = self._new(whole, progress)
            items += [(post.stamp, self._item(post, whole)) for post in new]
            progress.walked[thread.id] = thread.updated
        found = () if first else tuple(item for _, item in sorted(items, key=lambda one: one[0]))
        return Look(found, progress.json(), tuple(untold))

    async def _changed(
        self, progress: Progress, *, only_one_page: bool
    ) -> AsyncIterator[wire.Thread]:
        """The discussions that changed since, the newest first, and those beside them on their
        page. Moves `since`, or `resume` where there are more than one look reads.
        """
        since, after = earlier(progress.since), progress.resume
        for _ in range(1 if only_one_page else PAGES_MAX):
            page = await self._behind(after)
            after = page.after
            for thread in page.threads:
                progress.high = max(progress.high, thread.updated)
                if self.category in ("", thread.category):
                    yield thread
            if only_one_page or not after or page.threads[-1].updated < since:
                after = ""
                break
        progress.resume = after
        if not after:
            progress.since, progress.high = max(progress.since, progress.high), ""

    async def _behind(self, after: str) -> wire.Threads:
        """The page behind a place; the first one where GitHub does not know the place any more."""
        if not after:
            return await self._page("")
        try:
            return await self._page(after)
        except WatchError:
            return await self._page("")

    async def _page(self, after: str) -> wire.Threads:
        try:
            return await self._shown(after, SHOWN)
        except WatchError as exc:
            if not (isinstance(exc.__cause__, ReachError) and exc.__cause__.too_large):
                raise
        return await self._shown(after, FEW)

    async def _shown(self, after: str, counts: Mapping[str, int]) -> wire.Threads:
        owner, _, name = self.repo.partition("/")
        asked = {"owner": owner, "name": name, "after": after or None, **counts}
        found = await self.github.graphql(wire.DISCUSSIONS, asked)
        if wire.at(found, "repository", "discussions") is None:
            raise WatchError(
                f"GitHub shows no discussions of {self.repo}; is the name right, are discussions"
                " switched on, and may the token see them?"
            )
        return wire.threads_of(found)

    async def _whole(
        self, thread: wire.Thread, progress: Progress, *, budget: Budget
    ) -> wire.Thread:
        """The discussion with what lies before its latest comments, if anything changed in it."""
        if progress.walked.get(thread.id) == thread.updated:
            return thread
        posts, waiting = list(thread.posts), list(thread.older)
        if thread.id not in progress.walked and thread.updated <= progress.start:
            return thread
        while waiting and budget.take():
            one = waiting.pop(0)
            more, older = await self._older(one)
            posts += more
            waiting += older
        return wire.Thread(
            thread.id,
            thread.title,
            thread.number,
            thread.category,
            thread.updated,
            tuple(posts),
            tuple(waiting),
        )

    async def _older(self, one: wire.Older) -> tuple[tuple[wire.Post, ...], tuple[wire.Older, ...]]:
        asked: dict[str, Any] = {"id": one.of, "before": one.before, "count": OLDER_COUNT}
        if one.replies:
            found = await self.github.graphql(wire.OLDER_REPLIES, asked)
            return wire.replies_of(wire.at(found, "node", "replies"), one.of)
        asked["replies"] = OLDER_REPLIES
        found = await self.github.graphql(wire.OLDER_COMMENTS, asked)
        return wire.comments_of(wire.at(found, "node", "comments"), one.of)

    def _new(self, thread: wire.Thread, progress: Progress) -> Iterator[wire.Post]:
        """Posts that got their text after the discussion was read last."""
        floor = earlier(progress.walked.get(thread.id, progress.start))
        for place, post in enumerate(thread.posts):
            if not post.id or post.stamp < floor or progress.seen.get(post.id) == post.stamp:
                continue
            progress.seen[post.id] = post.stamp
            wanted = self.openings if place == 0 else bool(post.text.strip())
            if wanted and (self.own or not post.mine):
                yield post

    def _item(self, post: wire.Post, thread: wire.Thread) -> Item:
        return wire.item_of(
            post, f"{thread.title} (#{thread.number})", bytes_max=self.item_bytes_max
        )


@dataclass(slots=True)
class Budget:
    """How many more requests one look may make for what is old."""

    left: int

    def take(self) -> bool:
        """Whether there is one more."""
        self.left -= 1
        return self.left >= 0


def left_out(thread: wire.Thread) -> Unreadable:
    """A discussion with more comments than one look reads."""
    link = thread.posts[0].url
    item = Item(f"{thread.id}:{thread.updated}:older", thread.title, "", link)
    return Unreadable(
        item,
        f"the discussion #{thread.number} is longer than one look reads; new replies under its"
        f" oldest comments were left out: {link}",
    )


def written(moment: datetime) -> str:
    """A time as GitHub writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def earlier(stamp: str) -> str:
    """A little before that, empty for none."""
    if not stamp:
        return ""
    return written(datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S%z") - OVERLAP)


def newest(marks: Mapping[str, str], count: int) -> dict[str, str]:
    """The marks with the latest times."""
    kept = sorted(marks.items(), key=lambda one: str(one[1]), reverse=True)[:count]
    return dict(kept)
