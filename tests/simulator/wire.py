"""A virtual TCP: connections between loops, with delays, and ends of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from tests.simulator.loop import Loop, Universe

Place = tuple[str, int]
LATENCY_SECONDS = (0.0005, 0.03)


class End(asyncio.Transport):
    """One end of a connection, as the protocol on this side sees it."""

    peer: End

    def __init__(self, loop: Loop, protocol: asyncio.Protocol, net: Net) -> None:
        super().__init__()
        self.loop = loop
        self.protocol = protocol
        self.open = True
        self._net = net
        self._arrives_at = 0.0
        self._paused = False
        self._held: list[Callable[[], None]] = []

    def write(self, data: Any) -> None:
        """The other side has it a moment later."""
        if self.open and self.loop.alive:
            self._send(self.peer._data, bytes(data))

    def close(self) -> None:
        """What was written still arrives; then the other side hears the end."""
        if self._shut():
            self._send(self.peer._eof)
            self.loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        """Both sides know at once, or nearly."""
        if self._shut():
            self._send(self.peer._reset)
            self.loop.call_soon(self.protocol.connection_lost, None)

    def cut(self) -> None:
        """The process behind this end is gone; only the other side is left to hear of it."""
        if self._shut():
            self._send(self.peer._reset)

    def is_closing(self) -> bool:
        """Whether it is over here."""
        return not self.open

    def pause_reading(self) -> None:
        """What comes waits."""
        self._paused = True

    def resume_reading(self) -> None:
        """What has waited comes now."""
        self._paused = False
        held, self._held = self._held, []
        for one in held:
            self.loop.call_soon(self._take, one)

    def get_write_buffer_size(self) -> int:
        """The wire takes everything."""
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Nothing is known."""
        return default

    def _shut(self) -> bool:
        was, self.open = self.open, False
        self._net.ends.pop(self, None)
        return was

    def _send(self, hears: Callable[..., None], *args: Any) -> None:
        delay = self._net.universe.chance.uniform(*LATENCY_SECONDS)
        self._arrives_at = max(self._arrives_at, self._net.universe.now + delay)
        self.peer.loop.call_at(self._arrives_at, self.peer._take, lambda: hears(*args))

    def _take(self, one: Callable[[], None]) -> None:
        if self._paused:
            self._held.append(one)
        else:
            one()

    def _data(self, data: bytes) -> None:
        if self.open:
            self.protocol.data_received(data)

    def _eof(self) -> None:
        if self.open:
            self.protocol.eof_received()
            if self._shut():
                self.protocol.connection_lost(None)

    def _reset(self) -> None:
        if self._shut():
            self.protocol.connection_lost(ConnectionResetError(104, "Connection reset by peer"))

    def __hash__(self) -> int:
        return self.number

    number = 0


class Net:
    """Who listens where. `ends` are all open ones; a dict, because that has an order."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.ends: dict[End, None] = {}
        self._listeners: dict[Place, tuple[Loop, Callable[[], asyncio.Protocol]]] = {}

    def listen(self, place: Place, loop: Loop, factory: Callable[[], asyncio.Protocol]) -> None:
        """From now on connections are taken there."""
        self._listeners[place] = (loop, factory)

    def unlisten(self, place: Place) -> None:
        """Nobody is there any more."""
        self._listeners.pop(place, None)

    async def connect(
        self, loop: Loop, factory: Callable[[], asyncio.Protocol], place: Place
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """A new connection. Raises `ConnectionRefusedError`."""
        await asyncio.sleep(self.universe.chance.uniform(*LATENCY_SECONDS))
        if place not in self._listeners:
            raise ConnectionRefusedError(111, "Connection refused")
        there, serve = self._listeners[place]
        near, far = End(loop, factory(), self), End(there, serve(), self)
        near.peer, far.peer = far, near
        for end in (near, far):
            end.number = next(self.universe.numbers)
            self.ends[end] = None
        there.call_soon(far.protocol.connection_made, far)
        near.protocol.connection_made(near)
        return cast("asyncio.Transport", near), near.protocol

    def gone(self, loop: Loop) -> None:
        """A process was killed: the system closes what it had."""
        for end in [end for end in self.ends if end.loop is loop]:
            end.cut()
