"""The stream of a page: those of its parts whose text has changed, about once a second.

One stream for each page that is looked at; a page that nobody sees closes its own. It ends with the
session, with its client, and when the process stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

import msgspec

from twotier.errors import TwotierError

EVERY_SECONDS = 1.0
STREAMS_MAX = 32
SILENT_LOOKS_MAX = 15  # then a comment goes out, so that a proxy does not take it for dead
RETRY_MS = 2_000
Parts = Callable[[], Awaitable[Mapping[str, str]]]


class Streams:
    """All streams of this process. `closing` is set when its sockets close."""

    def __init__(self, closing: asyncio.Event) -> None:
        self.open = 0
        self._closing = closing

    async def changes(self, parts: Parts, *, stays: Callable[[], bool]) -> AsyncGenerator[bytes]:
        """What changes of a page's parts; the first time all of them. `stays`: whether the session
        is still open.
        """
        self.open += 1
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            before: dict[str, str] = {}
            silent = 0
            while stays() and not self._closing.is_set():
                now, trouble = await looked(parts)
                new = {name: text for name, text in now.items() if before.get(name) != text}
                before |= new
                for name, text in new.items():
                    yield event("part", {"id": name, "html": text})
                if trouble:
                    yield event("trouble", {"text": trouble})
                silent = 0 if new or trouble else silent + 1
                if silent >= SILENT_LOOKS_MAX:
                    silent = 0
                    yield b": still here\n\n"
                await self._pause()
            if not stays():
                yield event("left", {})
        finally:
            self.open -= 1

    @property
    def full(self) -> bool:
        """Whether there are as many as there may be."""
        return self.open >= STREAMS_MAX

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(EVERY_SECONDS):
                await self._closing.wait()
        except TimeoutError:
            return


async def looked(parts: Parts) -> tuple[Mapping[str, str], str]:
    """The parts now, or why they cannot be had: what was shown stays, and is said to be old."""
    try:
        return await parts(), ""
    except TwotierError as exc:
        return {}, exc.message


def event(kind: str, told: Mapping[str, str]) -> bytes:
    """One event; JSON holds no line break that could end it early."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(told))
