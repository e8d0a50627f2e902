"""A request in a kept server."""

from __future__ import annotations

from typing import Protocol


class Told(Protocol):
    """The keeper, as far as a request knows it."""

    def progressed(self) -> None:
        """A request's bytes came."""
        ...

    def laid_down(self) -> None:
        """A request has left."""
        ...


class Held:
    """`domain.endpoint.Use`: in the server until it is laid down, once."""

    __slots__ = ("_keeper",)

    def __init__(self, keeper: Told) -> None:
        self._keeper: Told | None = keeper

    def progressed(self) -> None:
        """Bytes came."""
        if self._keeper is not None:
            self._keeper.progressed()

    def lay_down(self) -> None:
        """The request has left."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.laid_down()
