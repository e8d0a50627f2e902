"""What a watcher is: one method, `look`, and the name of the place it looks at.

It gets the cursor it returned last time and returns what is new, with the next cursor. The caller
stores both in one transaction. Finding nothing is a `Look` without items; not being able to look
is a `WatchError`. The two are never the same thing.

The first look (cursor None) is the baseline: it remembers what is there and reports nothing of it,
unless the owner says how far back it shall go. A folder is the exception, because it is an inbox.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from twotier.domain.clock import Clock
from twotier.domain.fee import Fees
from twotier.domain.job import Item
from twotier.tools.mcp import Servers
from twotier.tools.web import Web


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

    @property
    def place(self) -> str:
        """What it looks at, in a word. Where it changes, an old cursor means nothing."""
        ...

    async def look(self, cursor: Any) -> Look:
        """Look once. Raises `WatchError` when it could not look."""
        ...


def no_secret(place: str) -> str:
    """Where nobody holds secrets, none is needed."""
    raise LookupError(place)


@dataclass(frozen=True, slots=True)
class Around:
    """What a watcher gets beside its own settings.

    `home` is where relative paths start. `secret` gives what lies at a place such as `env:NAME`,
    and raises `WatchError` where nothing does. `web` is the one way to another machine; `servers`
    are the MCP servers of the configuration. `job` is whose watcher it is; `fees` books what it
    pays for, and without it nothing is paid for.
    """

    home: Path
    clock: Clock
    secret: Callable[[str], str] = no_secret
    web: Web = field(default_factory=Web)
    servers: Servers | None = None
    job: str = ""
    fees: Fees | None = None
