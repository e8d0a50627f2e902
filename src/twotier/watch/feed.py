"""Watches a feed: RSS, Atom or JSON Feed.

An entry is known by its guid, else its link, else what it says. One that says something else by now
is a new revision, and new. A feed that cannot be read is could not look: an error page is not a
feed without entries. The parser works in a thread, on bytes that we fetched ourselves.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin

from twotier.domain.job import Item
from twotier.domain.urls import shown_url
from twotier.errors import WatchError
from twotier.watch import ask
from twotier.watch.base import Around, Look
from twotier.watch.cut import cut, first_line, mark, one_line
from twotier.watch.html_text import html_text
from twotier.watch.seen import Entry, instant, news, oldest_first, since
from twotier.watch.visible import visible

ENTRIES_MAX = 500
# Where a feed has no dates the parser makes one of the guid: `7` and `a` are days of this year.
DATED = re.compile(
    rb'<(?:\w+:)?(?:pubdate|date|published|updated|modified|issued|created)\b|"date_',
    re.IGNORECASE,
)
# XML allows no such bytes. With them the parser takes another way, on which it loses entities.
ILLEGAL = bytes({*range(0x20)} - {0x09, 0x0A, 0x0D})
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class FeedWatcher:
    """An address, and how far back the first look goes."""

    url: str
    since_seconds: float | None
    item_bytes_max: int
    around: Around

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> FeedWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            url=str(settings["url"]),
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            around=around,
        )

    @property
    def place(self) -> str:
        """The address."""
        return ask.place("feed", self.url)

    async def look(self, cursor: Any) -> Look:
        """New and edited entries, oldest first. Raises `WatchError`."""
        known = cursor if isinstance(cursor, dict) else {}
        answer = await ask.changed(
            self.around.web, self.url, cursor=known, headers={"accept": ACCEPT}
        )
        if answer is None:
            return Look((), cursor)
        entries = await asyncio.to_thread(self._entries, answer.page.body, answer.page.url)
        after = since(self.around.clock.now(), self.since_seconds)
        items, seen = news(oldest_first(entries), known.get("seen"), after=after)
        return Look(items, answer.cursor | {"seen": seen})

    def _entries(self, body: bytes, url: str) -> list[Entry]:
        """What the feed holds, its newest entries first. Raises `WatchError`."""
        import fastfeedparser

        clean = body if body.startswith(UTF_16) else body.translate(None, ILLEGAL)
        try:
            found = fastfeedparser.parse(clean, include_tags=False, include_media=False)
            entries = [entry for entry in found.entries if isinstance(entry, dict)]
            title = one_line(str(found.feed.get("title") or "")) or shown_url(url)
        # The parser knows no error of its own: broken feeds make it stumble anywhere.
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
            raise WatchError(f"what is there is no feed that can be read ({exc})"[:300]) from exc
        if not DATED.search(clean):
            entries = [entry | {"published": "", "updated": ""} for entry in entries]
        made = [self._entry(entry, title, url=url) for entry in entries[:ENTRIES_MAX]]
        shared = {key for key, count in Counter(one.key for one in made).items() if count > 1}
        return [apart(one) if one.key in shared else one for one in made]

    def _entry(self, entry: Mapping[str, Any], source: str, *, url: str) -> Entry:
        written = visible(words(entry))
        text, bytes_cut = cut(written, bytes_max=self.item_bytes_max)
        name = one_line(visible(plain(entry.get("title"))))
        link = str(entry.get("link") or "")
        key = str(entry.get("id") or link or mark(name, written))
        item = Item(
            id="",
            title=name or first_line(text) or "an entry without words",
            text=text or name,
            source=source,
            bytes_cut=bytes_cut,
            author=one_line(visible(str(entry.get("author") or ""))),
            at=instant(entry.get("published") or entry.get("updated") or ""),
            link=one_line(urljoin(url, link)) if link else "",
        )
        return Entry(key, item)


def apart(entry: Entry) -> Entry:
    """An entry whose guid others have too, known by what it says beside it."""
    return replace(entry, key=mark(entry.key, entry.item.link, entry.item.title))


def words(entry: Mapping[str, Any]) -> str:
    """What an entry says: its content where it has one, else its description."""
    contents = entry.get("content") or [{}]
    whole = contents[0].get("value") if isinstance(contents[0], dict) else ""
    return plain(whole or entry.get("description"))


def plain(value: Any) -> str:
    """Text of what may be HTML; most feeds do not say which it is."""
    text = str(value or "")
    return html_text(text) if "<" in text or "&" in text else text.strip()
