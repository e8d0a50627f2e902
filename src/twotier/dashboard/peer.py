"""Main's control API and the worker's, as pages ask them: the paths of the command line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from twotier.errors import TwotierError

T = TypeVar("T")


class Peer(Protocol):
    """One of the two. Both methods raise the class of `errors` that the answer speaks of, and
    `NotRunningError` where nobody answers.
    """

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The document at a path; query values that are None or empty are left out."""
        ...

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a document."""
        ...


class Lines(Protocol):
    """A peer that has paths which answer line by line."""

    def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        """The lines while they come, each one document. Raises what is wrong with the question."""
        ...


class MainLike(Peer, Lines, Protocol):
    """Main."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """An answer, or why there is none: a page shows its other parts all the same."""

    value: T | None = None
    because: str = ""
    error: TwotierError | None = None

    def __bool__(self) -> bool:
        """Whether there is an answer."""
        return self.value is not None


async def found(asking: Awaitable[T]) -> Found[T]:
    """The answer; an error of ours is the reason why there is none."""
    try:
        return Found(await asking)
    except TwotierError as exc:
        return Found(None, exc.message, exc)


async def all_found(*asking: Awaitable[dict[str, Any]]) -> list[Found[dict[str, Any]]]:
    """Several at once."""
    return list(await asyncio.gather(*map(found, asking)))
