"""What a page is: its place, what it tells, which of its parts are live, what can be done on it.

A page is one module in `pages` with a `PAGE`, and one template of its name. The template's blocks
that `live` names are sent again over the page's stream whenever their text has changed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from twotier.dashboard.keep import Keep
from twotier.dashboard.peer import MainLike, Peer
from twotier.domain.clock import Clock

STATUS_SECONDS = 0.8
STATUS_TIMES = 10.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a page. `main` and `worker` answer as they answer the command line. `place` are
    the parts of the path that the page left open, `query` what stands after its question mark.
    `zone` is the one in which days begin; `keep` holds what is dear to find out. `live`: for the
    stream, which may take its time; not for what it shows `first`.
    """

    main: MainLike
    worker: Peer
    clock: Clock
    zone: tzinfo
    keep: Keep
    place: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    live: bool = False
    first: bool = False

    async def status(self) -> dict[str, Any]:
        """What `twotier status` tells, at most about a second old: all streams share it. Raises
        what main says.
        """
        told: dict[str, Any] = await self.keep.fresh(
            "status",
            lambda: self.main.get("/control/status"),
            seconds=STATUS_SECONDS,
            times=STATUS_TIMES,
        )
        return told


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an order: the sentence the next page shows, and that page's place below `/ui/`,
    empty for the one that the order came from. `once` is what its template finds as `once`, that
    one time: kept in memory alone, for what must not lie about, such as a new key.
    """

    text: str
    to: str = ""
    once: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Download:
    """A file in the place of a page."""

    name: str
    body: bytes
    media_type: str


Told = Mapping[str, Any]
Form = Mapping[str, str]
Stream = Callable[[Visit, Form], AsyncGenerator[bytes]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `path` is its place below `/ui/`, such as `runs/{id}`; `told` finds what the
    template `NAME.html` shows. Of a page without `live` the navigation alone is live, and `told` is
    asked once: it may be dear. `actions`: POST to `PATH/VERB` (the page's own place, then the verb)
    does it; they raise an error of ours to say why not. `nav` is its word in the navigation, empty
    for a page behind another one, whose name `under` tells. `charts`: it needs the chart library.
    `streams` are orders like `actions` that a script sends, answered with lines of JSON while they
    come. `scripts` are further files that the page loads. One
    without a title is a `Download`.
    """

    name: str
    path: str
    title: str
    told: Callable[[Visit], Awaitable[Told | Download]]
    live: tuple[str, ...] = ()
    actions: Mapping[str, Callable[[Visit, Form], Awaitable[Done]]] = field(default_factory=dict)
    nav: str = ""
    under: str = ""
    charts: bool = False
    streams: Mapping[str, Stream] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()
    # Beside its word in the navigation: how many wait there. 0 and errors show nothing.
    waiting: Callable[[Visit], Awaitable[int]] | None = None
