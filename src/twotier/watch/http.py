"""Watches an HTTP API: a list somewhere in its JSON, and what is new in it.

The secret goes into one header of this one address, and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twotier.domain.urls import shown_url
from twotier.watch import ask
from twotier.watch.base import Around, Look
from twotier.watch.json_list import JsonList, values_of
from twotier.watch.seen import Entry, news, oldest_first, since


@dataclass(frozen=True, slots=True)
class HttpWatcher:
    """An address, the secret it wants, and the list in its answer."""

    url: str
    secret: str
    secret_header: str
    shape: JsonList
    since_seconds: float | None
    around: Around

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> HttpWatcher:
        """The watcher of a job's `watch` settings."""
        url = str(settings["url"])
        return cls(
            url=url,
            secret=str(settings["secret"] or ""),
            secret_header=str(settings["secret_header"]),
            shape=JsonList.of(settings, shown_url(url)),
            since_seconds=settings["since"],
            around=around,
        )

    @property
    def place(self) -> str:
        """The address and the list."""
        return f"{ask.place('http', self.url)} {self.shape.place}"

    async def look(self, cursor: Any) -> Look:
        """New and changed parts of the list. Raises `WatchError`."""
        known = cursor if isinstance(cursor, dict) else {}
        secret = ask.secret_header(self.around, place=self.secret, pattern=self.secret_header)
        headers = {"accept": "application/json"} | secret
        answer = await ask.changed(self.around.web, self.url, cursor=known, headers=headers)
        if answer is None:
            return Look((), cursor)
        entries = await asyncio.to_thread(self._entries, answer.page.body)
        after = since(self.around.clock.now(), self.since_seconds)
        items, seen = news(oldest_first(entries), known.get("seen"), after=after)
        return Look(items, answer.cursor | {"seen": seen})

    def _entries(self, body: bytes) -> list[Entry]:
        return self.shape.entries(values_of(body, self.shape.source))
