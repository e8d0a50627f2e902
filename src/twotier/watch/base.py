"""What a watcher is: one method, `look`.

It gets the cursor it returned last time and returns what is new, with the next cursor. The caller
stores both in one transaction. Finding nothing is a `Look` without items; not being able to look
is a `WatchError`. The two are never the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from twotier.domain.job import Item


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something new that cannot be worked on. It is told once, with the reason."""

    item: Item
    because: str


@dataclass(frozen=True, slots=True)
class Look:
    """What was found. The same item may be found again: its id tells, the caller drops it.

    `cursor` is any JSON value; None is the state before the first look.
    """

    items: tuple[Item, ...]
    cursor: Any
    unreadable: tuple[Unreadable, ...] = field(default=())


class Watcher(Protocol):
    """One place that is looked at."""

    async def look(self, cursor: Any) -> Look:
        """Look once. Raises `WatchError` when it could not look."""
        ...
