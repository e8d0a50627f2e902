"""One question a second for all streams: what a page that is open asks each second, every other
open page would ask too.

A page that is loaded asks for itself, and an order makes all answers old: no stream shows again
what was before.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from twotier.dashboard.keep import Keep
from twotier.dashboard.peer import MainLike, Peer
from twotier.domain.clock import Clock

SHARED_SECONDS = 0.9  # a little less than a stream waits between two looks
SHARED_TIMES = 2.0  # of the time an answer took: who answers slowly is asked less often
P = TypeVar("P", bound=Peer)


class Answers:
    """What was answered of late, by peer and path; all of it is forgotten with each order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.keep = self._empty()

    def forget(self) -> None:
        """Who is in the middle of asking keeps the answer for itself."""
        self.keep = self._empty()

    def _empty(self) -> Keep:
        return Keep(self._clock, lasting=False)


@dataclass(frozen=True, slots=True)
class Shared(Generic[P]):
    """A peer whose answers are shared. `name` tells it from others with the same paths; `live`:
    what was answered a moment ago will do.
    """

    peer: P
    name: str
    answers: Answers
    live: bool

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The document at a path. It is not to be written into: others read the same."""
        said = "&".join(f"{key}={value}" for key, value in sorted((query or {}).items()))
        key, keep = f"{self.name} {path}?{said}", self.answers.keep

        async def ask() -> dict[str, Any]:
            return await self.peer.get(path, query)

        if not self.live:
            keep.forget(key)
            return await ask()
        told: dict[str, Any] = await keep.fresh(
            key, ask, seconds=SHARED_SECONDS, times=SHARED_TIMES
        )
        return told

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a document; what was answered before it is old."""
        try:
            return await self.peer.post(path, body)
        finally:
            self.answers.forget()


@dataclass(frozen=True, slots=True)
class SharedMain(Shared[MainLike]):
    """Main, which answers some orders line by line."""

    def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        """The lines while they come."""
        return self.peer.lines(path, body)
