"""A list somewhere in values of JSON, and its parts as entries.

The owner says where the list lies and which fields of its parts say who it is, what it is about and
when it was made. A part without an id is known by all it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twotier.domain.job import Item
from twotier.domain.json_path import MISSING, at, parts_of
from twotier.errors import NOT_READABLE, WatchError
from twotier.watch.cut import cut, first_line, mark, one_line
from twotier.watch.seen import Entry, instant
from twotier.watch.visible import visible

ENTRIES_MAX = 500
FIELDS = ("id", "title", "text", "author", "at", "link")


@dataclass(frozen=True, slots=True)
class JsonList:
    """Where the list and the fields lie, and what it is called in messages."""

    source: str
    items: str
    fields: Mapping[str, str]
    item_bytes_max: int

    @classmethod
    def of(cls, settings: Mapping[str, Any], source: str) -> JsonList:
        """The list that a job's `watch` settings describe."""
        return cls(
            source=source,
            items=str(settings["items"]),
            fields={name: str(settings[name]) for name in FIELDS},
            item_bytes_max=int(settings["item_bytes_max"]),
        )

    @property
    def place(self) -> str:
        """The list; another id field makes other things of the same one."""
        return f"{self.items} {self.fields['id']}"

    def entries(self, answer: Any) -> list[Entry]:
        """The parts of the list. Raises `WatchError` where there is none."""
        found = at(answer, parts_of(self.items))
        if not isinstance(found, list):
            where = f"at {self.items}" if self.items else "in it"
            raise WatchError(f"the answer of {self.source} has no list {where}")
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
            source=self.source,
            bytes_cut=bytes_cut,
            author=one_line(visible(told.get("author", ""))),
            at=instant(made),
            link=one_line(visible(told.get("link", ""))),
        )
        return Entry(told.get("id") or mark(words(part)), item)


def values_of(text: str | bytes, source: str, **how: Any) -> Any:
    """An answer as values. Raises `WatchError`."""
    try:
        return json.loads(text, **how)
    except NOT_READABLE as exc:
        raise WatchError(f"the answer of {source} is not JSON") from exc


def field(part: Any, path: str) -> str:
    """A field of a part as text, empty where there is none."""
    found = at(part, parts_of(path))
    return "" if found is MISSING or found is None else words(found)


def words(value: Any) -> str:
    """A value as text: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
