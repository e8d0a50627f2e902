"""A request in a kept server."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from twotier.domain.endpoint import ANY_WORK, Work


class Told(Protocol):
    """The keeper, as far as a request knows it."""

    def progressed(self) -> None:
        """A request's bytes came."""
        ...

    def laid_down(self, held: Held) -> None:
        """A request has left."""
        ...


class Held:
    """`domain.endpoint.Use`: in the server until it is laid down, once. `since`: monotonic."""

    __slots__ = ("_began", "_keeper", "_work", "since")

    def __init__(self, keeper: Told, work: Work = ANY_WORK, *, since: float = 0.0) -> None:
        self._keeper: Told | None = keeper
        self._work = work
        self._began = False
        self.since = since

    @property
    def work(self) -> Work:
        """What it asks, as far as that is done."""
        return replace(self._work, began=True) if self._began else self._work

    def progressed(self) -> None:
        """Bytes came."""
        if self._keeper is not None:
            self._began = True
            self._keeper.progressed()

    def lay_down(self) -> None:
        """The request has left."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.laid_down(self)
