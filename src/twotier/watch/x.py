"""Watches X: a search, mentions of an account, or its posts. Each post that is read costs money.

So nothing is asked before the worst case of the look is held in the ledger, where a budget may
refuse it, and what was really given is settled after it. There is a most for each look and each
day. What a look may not read any more is read by the next, the newest first, down to where the last
one stood.

A look whose end was not seen counts as read in full: X may have charged for it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from twotier.domain.fee import Fees, Use
from twotier.domain.job import Item
from twotier.errors import FeeError, ReachError, WatchError
from twotier.tools.web import Web
from twotier.watch import x_wire as wire
from twotier.watch.base import Around, Look, Unreadable
from twotier.watch.pause import Pause

LOG = logging.getLogger("twotier.watch")

PROVIDER, UNIT = "x", "post_read"
PAGE_MAX = 100
SEARCH_LEAST, USER_LEAST = 10, 5  # fewer cannot be asked for
SEARCH_DAYS = timedelta(days=6, hours=23)  # a recent search goes back seven days
BASELINE = timedelta(seconds=30)  # what was posted this shortly before the first look is old too
RETRY_SECONDS = 900.0  # X counts in quarters of an hour
PAGE_BYTES_MAX = 4_000_000
SETTLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """All up to `since` is read. Behind it all down to `until` as well, where that is not 0; `high`
    is the newest of those. `read` posts were paid on `day`.
    """

    since: int = 0
    until: int = 0
    high: int = 0
    day: str = ""
    read: int = 0

    @classmethod
    def of(cls, cursor: Any) -> Progress:
        """From a stored cursor."""
        if not isinstance(cursor, Mapping):
            return cls()
        since, until, high = (wire.number(cursor.get(name)) for name in ("since", "until", "high"))
        read = cursor.get("read")
        return cls(since, until, high, str(cursor.get("day")), read if isinstance(read, int) else 0)

    def json(self) -> dict[str, Any]:
        """As it is stored: numbers of posts are larger than JSON's may be."""
        return {
            "since": str(self.since),
            "until": str(self.until),
            "high": str(self.high),
            "day": self.day,
            "read": self.read,
        }


@dataclass(slots=True)
class Reading:
    """What one look has read: posts, how many were paid, how many may have been, and the page that
    it would go on with.
    """

    items: list[Item]
    paid: int = 0
    unsure: int = 0
    newest: int = 0
    oldest: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class XWatcher:
    """One search, or the mentions or posts of one account."""

    url: str
    query: Mapping[str, str]
    token_place: str
    posts_max: int
    posts_day_max: int
    since_seconds: float | None
    item_bytes_max: int
    around: Around
    web: Web
    pause: Pause
    lost: Counter[str]  # posts by day that may have been paid and never came

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> XWatcher:
        """The watcher of a job's `watch` settings."""
        api = str(settings["api"]).rstrip("/")
        query: dict[str, str] = {}
        if settings["query"]:
            path, query = "/2/tweets/search/recent", {"query": str(settings["query"])}
        elif settings["mentions_of"]:
            path = f"/2/users/{settings['mentions_of']}/mentions"
        else:
            path = f"/2/users/{settings['posts_of']}/tweets"
        return cls(
            url=f"{api}{path}",
            query=query,
            token_place=str(settings["token"]),
            posts_max=int(settings["posts_max"]),
            posts_day_max=int(settings["posts_day_max"]),
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            around=around,
            web=around.web.owners(api),
            pause=Pause(around.clock),
            lost=Counter(),
        )

    @property
    def place(self) -> str:
        """What is asked for, and where."""
        return f"x:{self.url}:{self.query.get('query', '')}"

    @property
    def least(self) -> int:
        """The fewest posts that can be asked for."""
        return SEARCH_LEAST if self.query else USER_LEAST

    async def look(self, cursor: Any) -> Look:
        """New posts, the oldest first. Raises `WatchError`."""
        self.pause.check()
        now, first = self.around.clock.now(), cursor is None
        progress = self._begun(cursor, now)
        read = progress.read + self.lost[progress.day]
        most = min(self.posts_max, self.posts_day_max - read)
        if first and self.since_seconds is None:
            most = min(most, self.least)
        if most < self.least:
            raise WatchError(
                f"{read} posts were read today, and posts_day_max is"
                f" {self.posts_day_max}; it goes on after midnight UTC"
            )
        token = self.around.secret(self.token_place)
        reading = await self._paid(progress, most=most, token=token)
        moved = after(progress, reading)
        if first and self.since_seconds is None:
            stands = max(moved.since, moved.high)
            return Look((), replace(moved, since=stands, until=0, high=0).json())
        items = sorted(reading.items, key=lambda item: int(item.id))
        return Look(tuple(items), moved.json(), self._gap(cursor, progress))

    def _begun(self, cursor: Any, now: datetime) -> Progress:
        """Where this look begins: its own day, and no further back than X searches."""
        progress, day = Progress.of(cursor), now.strftime("%Y-%m-%d")
        if cursor is None:
            back = BASELINE
            if self.since_seconds is not None:
                back = timedelta(seconds=self.since_seconds)
            progress = Progress(since=wire.number_at(now - back))
        if progress.day != day:
            progress = replace(progress, day=day, read=0)
        if self.query:
            oldest = wire.number_at(now - SEARCH_DAYS)
            progress = replace(progress, since=max(progress.since, oldest))
        return progress

    async def _paid(self, progress: Progress, *, most: int, token: str) -> Reading:
        """Read at most so many posts, held in the ledger before and settled after, whatever comes
        between.
        """
        fees = self.around.fees
        if fees is None:
            raise WatchError("posts of X cost money, and nobody is here to book it")
        name = secrets.token_hex(8)
        use = Use(f"{self.around.job}:{name}", self.around.job, PROVIDER, UNIT, most)
        try:
            await fees.hold(use)
        except FeeError as exc:
            raise WatchError(f"no post was read: {exc.message}") from exc
        reading = Reading([])
        try:
            await self._read(progress, reading, most=most, token=token)
        except WatchError:
            if not reading.items:  # what was paid for is worked on; the next look tells the rest
                self.lost[progress.day] += reading.paid + reading.unsure
                raise
        finally:
            count = min(most, reading.paid + reading.unsure)
            await asyncio.shield(settled(fees, use, count=count))
        return reading

    def _gap(self, cursor: Any, progress: Progress) -> tuple[Unreadable, ...]:
        """What lies too far back to be searched, told once."""
        stood = Progress.of(cursor).since
        if cursor is None or progress.since <= stood:
            return ()
        days = [wire.moment_of(one).strftime("%Y-%m-%d %H:%M") for one in (stood, progress.since)]
        because = (
            f"posts from {days[0]} to {days[1]} UTC are too old for a search and were not read"
        )
        return (Unreadable(Item(f"gap:{stood}", "posts not read", "", self.url), because),)

    async def _read(self, progress: Progress, reading: Reading, *, most: int, token: str) -> None:
        asked = {**self.query, "tweet.fields": "created_at,author_id"}
        asked["since_id"] = str(progress.since)
        if progress.until:
            asked["until_id"] = str(progress.until)
        while most - reading.paid >= self.least:
            count = min(PAGE_MAX, most - reading.paid)
            asked["max_results"] = str(count)
            page = await self._page(asked, reading, count=count, token=token)
            reading.paid += page.count
            reading.items += page.items
            reading.newest = max(reading.newest, page.newest)
            reading.oldest = page.oldest or reading.oldest
            reading.token = page.next_token
            if not page.next_token or not page.count:
                return
            asked["next_token" if self.query else "pagination_token"] = page.next_token

    async def _page(
        self, asked: Mapping[str, str], reading: Reading, *, count: int, token: str
    ) -> wire.Posts:
        reading.unsure = count
        try:
            page = await self.web.request(
                f"{self.url}?{urlencode(asked)}",
                headers={"authorization": f"Bearer {token}"},
                bytes_max=PAGE_BYTES_MAX,
            )
        except ReachError as exc:
            reading.unsure = 0 if exc.forbidden else count
            raise WatchError(exc.message) from exc
        if page.status != 200:
            reading.unsure = 0
            sentence = wire.refusal(page.status, page.body)
            if page.status != 429:
                raise WatchError(sentence)
            seconds = wire.wait_seconds(page.headers, now=self.around.clock.now())
            seconds = RETRY_SECONDS if seconds is None else seconds
            raise self.pause.begin(sentence, seconds=seconds)
        found = wire.posts_of(page.body, bytes_max=self.item_bytes_max)
        if found is None:
            raise WatchError("the answer of X is not the JSON its documentation shows")
        reading.unsure = 0
        return found


async def settled(fees: Fees, use: Use, *, count: int) -> None:
    """Book what it came to. Where that fails the worst case stays held, which is no less."""
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            await fees.settle(use, count)
    except (FeeError, TimeoutError) as exc:
        LOG.warning("fee not settled", extra={"job": use.job, "because": str(exc)})


def after(progress: Progress, reading: Reading) -> Progress:
    """Where the next look goes on."""
    read = progress.read + reading.paid + reading.unsure
    high = max(progress.high, reading.newest)
    if reading.token and reading.oldest:
        return replace(progress, until=reading.oldest, high=high, read=read)
    return replace(progress, since=max(progress.since, high), until=0, high=0, read=read)
