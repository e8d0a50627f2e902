"""Who is next where a tier works on only so many requests at a time.

A request takes a free slot, or joins the line. Somebody at a keyboard goes before work in the
background; among equals the clients take turns, so that one who asks for much does not keep the
others waiting. The line is bounded too: where it is full, the newest request of whoever waits for
most has to go, background first; who holds a slot is never put out.

After a restart one request is let in, then two, then four: what was too much for the server may be
too much again. Each time as many answers have come as were let in, twice as many are.

Pure: nothing waits here, and the clock is somebody else's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

SECONDS_UNKNOWN = 5.0  # how long a slot is held, as long as nobody has given one back
SECONDS_WEIGHT = 0.2  # of the newest answer in the mean


class Standing(StrEnum):
    """Where a request stands."""

    OUTSIDE = "outside"
    WAITING = "waiting"
    HOLDING = "holding"


@dataclass(slots=True, eq=False)
class Ticket:
    """One request. `client` is whose turn it is: a client by its key, or a job."""

    client: str
    background: bool = False
    place: Standing = Standing.OUTSIDE
    since: float = 0.0  # monotonic seconds; when it got its slot


@dataclass(slots=True)
class Line:
    """The slots of one tier and the line in front of them.

    `slots` are taken at most, and so many requests may wait as `waiting_max` says.
    """

    slots: int
    waiting_max: int
    in_use: int = 0
    waiting: int = 0
    admitted: int = field(init=False)  # how many of the slots may be taken now
    _answers: int = 0  # since that number was raised
    _seconds: float = SECONDS_UNKNOWN
    # Both by client, in the order of their turns; nobody is in there without a request.
    _near: dict[str, deque[Ticket]] = field(default_factory=dict)
    _background: dict[str, deque[Ticket]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """All slots are open at the start."""
        self.admitted = self.slots

    @property
    def busy(self) -> bool:
        """Whether one more request would have to wait."""
        return self.in_use >= self.admitted or self.waiting > 0

    @property
    def full(self) -> bool:
        """Whether one more request would be too many, for the line or for somebody in it."""
        return self.busy and self.waiting >= self.waiting_max

    def take(self, ticket: Ticket, *, now: float) -> bool:
        """A slot at once, where one is free and nobody waits for it."""
        if self.busy:
            return False
        self._hold(ticket, now)
        return True

    def join(self, ticket: Ticket) -> Ticket | None:
        """Wait. Returns who has to go for lack of room, which may be this very request."""
        lanes = self._lanes(ticket)
        lanes.setdefault(ticket.client, deque()).append(ticket)
        ticket.place = Standing.WAITING
        self.waiting += 1
        if self.waiting <= self.waiting_max:
            return None
        loser = self._loser(ticket)
        self.leave(loser, now=0.0)
        return loser

    def next(self, *, now: float) -> Ticket | None:
        """The request whose turn it is; it holds a slot from here on. None where nobody may go."""
        if not self.waiting or self.in_use >= self.admitted:
            return None
        lanes = self._near or self._background
        client = next(iter(lanes))
        lane = lanes.pop(client)
        ticket = lane.popleft()
        if lane:
            lanes[client] = lane  # behind the others
        self.waiting -= 1
        self._hold(ticket, now)
        return ticket

    def leave(self, ticket: Ticket, *, now: float, answered: bool = False) -> None:
        """It is done, or has given up; wherever it stood. Leaving twice is leaving once.

        `answered`: the server did its work, and so is fit for more.
        """
        place, ticket.place = ticket.place, Standing.OUTSIDE
        if place is Standing.WAITING:
            lanes = self._lanes(ticket)
            lane = lanes[ticket.client]
            lane.remove(ticket)
            if not lane:
                del lanes[ticket.client]
            self.waiting -= 1
        elif place is Standing.HOLDING:
            self.in_use -= 1
            if answered:
                self._proved(now - ticket.since)

    def restarted(self) -> None:
        """The server is a new one, or soon will be."""
        self.admitted, self._answers = 1, 0

    def wait_seconds(self) -> float:
        """How long one more request would wait, by how long slots were held lately."""
        if not self.busy:
            return 0.0
        return self._seconds * (self.waiting + 1) / self.admitted

    def _hold(self, ticket: Ticket, now: float) -> None:
        ticket.place, ticket.since = Standing.HOLDING, now
        self.in_use += 1

    def _proved(self, seconds: float) -> None:
        self._seconds += (seconds - self._seconds) * SECONDS_WEIGHT
        if self.admitted < self.slots:
            self._answers += 1
            if self._answers >= self.admitted:
                self.admitted, self._answers = min(self.slots, 2 * self.admitted), 0

    def _lanes(self, ticket: Ticket) -> dict[str, deque[Ticket]]:
        return self._background if ticket.background else self._near

    def _loser(self, newest: Ticket) -> Ticket:
        """Of those who wait, the one to go; between equals the newest."""
        lanes = self._background or self._near
        client = max(lanes, key=lambda name: (len(lanes[name]), lanes[name][-1] is newest))
        return lanes[client][-1]
