"""The plain connections: who is idle, who is open, and when an idle one has to go."""

from __future__ import annotations

import asyncio
from types import TracebackType

from twotier.providers.plain_connection import Connection, Place

# Below what servers keep: uvicorn and llama.cpp close after 5 s, and a request that meets the close
# on its way is lost.
IDLE_SECONDS_MAX = 4.0
IDLE_CONNECTIONS_MAX = 64  # for one place


class Pool:
    """All plain connections: the idle ones by place, youngest last. Needs a running loop.

    The number of busy ones has no limit of its own, because dispatch already limits requests and a
    wait here would look like a dead upstream.
    """

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS_MAX) -> None:
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Place, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection, the busy ones too, and see their sockets closed."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        going = [connection.lost for connection in self._open]
        for connection in list(self._open):
            connection.abort()
        await asyncio.gather(*going)

    def take(self, place: Place) -> Connection | None:
        """The idle connection that was used last, because it is the likeliest to live."""
        idle = self._idle.get(place, [])
        youngest_since = self._loop.time() - self._idle_seconds
        while idle:
            connection = idle.pop()
            if connection.usable and connection.idle_since > youngest_since:
                return connection
            connection.abort()
        return None

    async def connect(self, place: Place) -> Connection:
        """A new connection. Raises `OSError`, and `ValueError` for a name that cannot be one."""
        connection = Connection(place, self)
        try:
            await self._loop.create_connection(lambda: connection, *place)
        except BaseException:
            # uvloop tells a connection that it stands, and never of its end, where its opener is
            # cancelled between the two; `__aexit__` would wait for it for ever.
            if connection in self._open:
                connection.abort()
                connection.connection_lost(None)
            raise
        return connection

    def opened(self, connection: Connection) -> None:
        """It stands."""
        self._open.add(connection)
        if self._closed:
            connection.abort()

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next request, if there is room."""
        idle = self._idle.setdefault(connection.place, [])
        if self._closed or len(idle) >= IDLE_CONNECTIONS_MAX:
            connection.abort()
            return
        connection.idle_since = self._loop.time()
        idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._idle_seconds, self._close_old)

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        self._open.discard(connection)
        idle = self._idle.get(connection.place, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(connection.place, None)  # a restarted server has another port

    def _close_old(self) -> None:
        """One timer for all: it rings when the oldest may be due, and rests when none is idle."""
        self._sweep = None
        now = self._loop.time()
        oldest_since = now
        for connection in [one for idle in self._idle.values() for one in idle]:
            if connection.idle_since + self._idle_seconds <= now:
                self._idle[connection.place].remove(connection)
                connection.abort()
            else:
                oldest_since = min(oldest_since, connection.idle_since)
        if any(self._idle.values()):
            self._sweep = self._loop.call_at(oldest_since + self._idle_seconds, self._close_old)
