"""What has come of one HTTP response: between the connection that reads and whoever waits."""

from __future__ import annotations

import asyncio
from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade

from twotier.providers.base import Deadlines
from twotier.providers.timer import Timer

UNREAD_BYTES_MAX = 256 * 1024
# How an answer ends that does not end well. The kernel's own TimeoutError is an OSError.
BREAKS = (OSError, EOFError, HttpParserError, HttpParserUpgrade)


class Line(Protocol):
    """The connection, as far as an answer knows it."""

    def resume(self) -> None:
        """The reader has caught up."""
        ...

    def abort(self) -> None:
        """Close now."""
        ...


class Answer:
    """What has come of one response, and the one who waits for more of it."""

    def __init__(
        self, connection: Line, timer: Timer, *, deadlines: Deadlines, sent_at: float
    ) -> None:
        self.status = 0  # until the head is here
        self.fields: dict[bytes, bytes] = {}  # names in lower case; of equal ones the last
        self.lines = 0
        self.touched = False  # a byte has come, of whatever
        self.fresh = False  # a piece of the body has come that nobody was told of
        self.ended = False
        self._connection: Line | None = connection
        self._pieces: list[bytes] = []
        self._unread_bytes = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer = timer
        timer.start(self.fail, deadlines=deadlines, sent_at=sent_at)

    async def head(self) -> None:
        """Wait for the head. Raises `DeadlineError` and one of `BREAKS`."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._more()
        if not self.ended:
            self._timer.end(content=False)

    async def read(self) -> bytes:
        """All that has come and nobody read, or what comes next; empty at the end. Same errors."""
        while not self._pieces:
            if self.ended:
                return b""
            if self._error is not None:
                raise self._error
            await self._more()
        if not self.ended:
            self._timer.end(content=True)
        pieces, self._pieces, self._unread_bytes = self._pieces, [], 0
        if self._connection is not None:
            self._connection.resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Nobody reads any more: a connection with more to come is closed at once."""
        if self._connection is not None:
            self._timer.rest()
            self._connection.abort()

    def add(self, piece: bytes) -> None:
        """A piece of the body. Many come at once, so the reader is woken when all have: `came`."""
        self._pieces.append(piece)
        self._unread_bytes += len(piece)
        self.fresh = True

    def came(self) -> bool:
        """What was added is all there is for now. False when the reader is too far behind."""
        self.fresh = False
        self.wake()
        return self._unread_bytes <= UNREAD_BYTES_MAX

    def end(self) -> None:
        """It is whole, or ends with its connection, which is no longer its own."""
        self.ended = True
        self._connection = None
        self._timer.rest()
        self.wake()

    def fail(self, error: Exception) -> None:
        """It will not become whole. What came before can still be read."""
        if not self.ended and self._error is None:
            self._error = error
            self._timer.rest()
            self.wake()

    def wake(self) -> None:
        """There is something for whoever waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _more(self) -> None:
        self._timer.begin()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
