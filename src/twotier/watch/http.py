"""Watches an HTTP API: a list somewhere in its JSON, and what is new in it.

The owner says where the list lies and which fields of its parts say who it is, what it is about and
when it was made. A part without an id is known by all it says. The secret goes into one header of
this one address, and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twotier.domain.job import Item
from twotier.domain.json_path import MISSING, at, parts_of
from twotier.domain.urls import shown_url
from twotier.errors import WatchError
from twotier.watch import ask
from twotier.watch.base import Around, Look
from twotier.watch.cut import cut, first_line, mark, one_line
from twotier.watch.seen import Entry, instant, news, oldest_first, since
from twotier.watch.visible import visible

ENTRIES_MAX = 500
FIELDS = ("id", "title", "text", "author", "at", "link")


@dataclass(frozen=True, slots=True)
class HttpWatcher:
    """An address, the secret it wants, and where in its answer the list and the fields lie."""

    url: str
    secret: str
    secret_header: str
    items: str
    fields: Mapping[str, str]
    since_seconds: float | None
    item_bytes_max: int
    around: Around

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> HttpWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            url=str(settings["url"]),
            secret=str(settings["secret"] or ""),
            secret_header=str(settings["secret_header"]),
            items=str(settings["items"]),
            fields={name: str(settings[name]) for name in FIELDS},
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            around=around,
        )

    @property
    def place(self) -> str:
        """The address and the list; another id field makes other things of the same list."""
        return f"{ask.place('http', self.url)} {self.items} {self.fields['id']}"

    async def look(self, cursor: Any) -> Look:
        """New and changed parts of the list. Raises `WatchError`."""
        known = cursor if isinstance(cursor, dict) else {}
        headers = {"accept": "application/json"} | self._secret()
        answer = await ask.changed(self.around.web, self.url, cursor=known, headers=headers)
        if answer is None:
            return Look((), cursor)
        entries = await asyncio.to_thread(self._entries, answer.page.body)
        after = since(self.around.clock.now(), self.since_seconds)
        items, seen = news(oldest_first(entries), known.get("seen"), after=after)
        return Look(items, answer.cursor | {"seen": seen})

    def _secret(self) -> dict[str, str]:
        return ask.secret_header(self.around, place=self.secret, pattern=self.secret_header)

    def _entries(self, body: bytes) -> list[Entry]:
        found = at(json_of(body, self.url), parts_of(self.items))
        if not isinstance(found, list):
            where = f"at {self.items}" if self.items else "in it"
            raise WatchError(f"the answer of {shown_url(self.url)} has no list {where}")
        return [self._entry(part) for part in found[:ENTRIES_MAX]]

    def _entry(self, part: Any) -> Entry:
        told = {name: field(part, path) for name, path in self.fields.items() if path}
        whole = told.get("text") or words(part)
        text, bytes_cut = cut(visible(whole), bytes_max=self.item_bytes_max)
        made = at(part, parts_of(self.fields["at"])) if self.fields["at"] else ""
        item = Item(
            id="",
            title=one_line(visible(told.get("title", ""))) or first_line(text),
            text=text,
            source=shown_url(self.url),
            bytes_cut=bytes_cut,
            author=one_line(visible(told.get("author", ""))),
            at=instant(made),
            link=one_line(visible(told.get("link", ""))),
        )
        return Entry(told.get("id") or mark(words(part)), item)


def json_of(body: bytes, url: str, **how: Any) -> Any:
    """The answer as values. Raises `WatchError`."""
    try:
        return json.loads(body, **how)
    except (ValueError, RecursionError) as exc:
        raise WatchError(f"the answer of {shown_url(url)} is not JSON") from exc


def field(part: Any, path: str) -> str:
    """A field of a part as text, empty where there is none."""
    found = at(part, parts_of(path))
    return "" if found is MISSING or found is None else words(found)


def words(value: Any) -> str:
    """A value as text: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
