"""The one place where incidents are opened and ended: kept on disk, told, sent on.

Whoever sees something calls the desk with an `Alert`, or hands it a `Look`; neither ever waits. An
incident is on disk before anybody hears of it, so that a restart neither repeats nor forgets it. A
disk that cannot be written holds back no message: that too is something to hear of.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from twotier.alerts.incidents import Incident, Look, Step, condition_of, notices, step
from twotier.alerts.outbox import Habits, Outbox, Way, at, deliver, ms
from twotier.domain.alert import Alert, Severity
from twotier.domain.clock import Clock
from twotier.errors import LedgerError, NotFoundError
from twotier.ledger.book import Book
from twotier.ledger.incidents import Alerted, IncidentRow
from twotier.notify.base import Message

log = logging.getLogger("twotier.alerts")
DAYS_KEPT = 90


class Alerts:
    """Called with an alert, never waits. `run` must be running for it to leave this machine.

    What happens before `open` is kept in memory, and told as soon as the book is there.
    """

    def __init__(self, clock: Clock, *, ways: Sequence[Way] = (), habits: Habits | None = None):
        self.opened_count: Counter[str] = Counter()  # incidents since the start, by kind
        self._clock = clock
        self._outbox = Outbox(ways, clock, habits=habits or Habits())
        self._open: dict[str, Incident] = {}
        self._early: list[Look] = []
        self._book: Book | None = None
        self._news = asyncio.Event()

    async def open(self, book: Book) -> None:
        """Go on where the life before stood. Raises `LedgerError`."""
        left = await book.unfinished()
        self._book = book
        self._open = {row.key: incident_of(row) for row in left.incidents}
        forget = ms(self._clock.now() - timedelta(days=DAYS_KEPT))
        self._keep(Alerted(messages=tuple(self._outbox.take_up(left.messages))))
        self._keep(Alerted(forget_before_ms=forget))
        for look in self._early:
            self.take(look)
        self._early.clear()

    def __call__(self, alert: Alert) -> None:
        """Raise it; its end is told by whoever looks at that thing."""
        self.take(Look((condition_of(alert),)))

    def take(self, look: Look) -> None:
        """Open and end what this look says."""
        if self._book is None:
            self._early.append(look)
            return
        now = at(ms(self._clock.now()))  # as exact as it is stored
        found = step(self._open, look, now=now)
        if found == Step():
            return
        self._remember(found)
        rows = self._outbox.put(notices(found))
        # A sentence that only changed is not worth a write: the next life looks for itself.
        told = (*found.opened, *found.ended)
        self._keep(Alerted(tuple(map(row_of, told)), tuple(rows)))
        self._news.set()

    def _remember(self, found: Step) -> None:
        for one in found.opened:
            self.opened_count[one.kind] += one.key not in self._open
            extra = {"kind": one.kind, "about": one.about, "severity": one.severity.value}
            log.warning(f"ALERT {one.about}: {one.text}", extra=extra)  # noqa: G004 - the sentence is the event
        for one in (*found.opened, *found.changed):
            self._open[one.key] = one
        for one in found.ended:
            self._open.pop(one.key, None)
            log.info("an incident is over", extra={"kind": one.kind, "about": one.about})

    def _keep(self, rows: Alerted) -> None:
        if self._book is not None and rows != Alerted():
            self._book.keep(rows)

    async def run(self, lookout: Callable[[], Awaitable[None]] | None = None) -> None:
        """Send what is to be told, until cancelled; and have `lookout` look, again and again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send())
            if lookout is not None:
                group.create_task(_forever(lookout))

    async def _send(self) -> None:
        while True:
            seconds = self._outbox.next_seconds()
            if seconds is None:
                await self._news.wait()
            elif seconds:
                await self._clock.sleep(seconds)
            self._news.clear()
            await self._on_disk()
            await self._outbox.send_due(lambda rows: self._keep(Alerted(messages=tuple(rows))))

    async def _on_disk(self) -> None:
        """What is told is stored first, if it can be."""
        try:
            if self._book is not None:
                await self._book.flush()
        except LedgerError as exc:
            log.warning("alerts are sent and not stored", extra={"because": exc.message})

    def use(self, ways: Sequence[Way], habits: Habits) -> None:
        """Other channels and habits from now on."""
        self._keep(Alerted(messages=tuple(self._outbox.use(ways, habits))))
        self._news.set()

    async def test(self, name: str) -> str:
        """Send a test message through one channel now; what the other side said.

        Raises `NotFoundError`, and `DeliveryError` with what it said instead.
        """
        way = self._outbox.way(name)
        if way is None:
            known = ", ".join(str(one["name"]) for one in self._outbox.told()) or "none"
            raise NotFoundError(f"there is no channel {name!r}; there are: {known}")
        return await deliver(way, test_message(self._clock))

    def told(self) -> list[dict[str, Any]]:
        """The open incidents as plain values, the newest last."""
        return [
            {
                "at": one.opened_at.isoformat(),
                "about": one.about,
                "kind": one.kind,
                "severity": one.severity.value,
                "text": one.text,
            }
            for one in sorted(self._open.values(), key=lambda one: one.opened_at)
        ]

    def channels(self) -> list[dict[str, object]]:
        """Every channel and what waits for it; never where it leads."""
        return self._outbox.told()

    def open_by(self) -> Mapping[tuple[str, str], int]:
        """How many are open, by kind and severity."""
        return Counter((one.kind, one.severity.value) for one in self._open.values())

    @property
    def sent(self) -> Mapping[tuple[str, str], int]:
        """Tries since the start, by channel and outcome."""
        return self._outbox.delivered

    def waiting(self) -> Mapping[str, int]:
        """Messages on their way, by channel."""
        return self._outbox.waiting()


async def _forever(look: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await look()
        except Exception:  # top of the look-out: what is wrong with it must not end the program
            log.exception("a look broke")


def test_message(clock: Clock) -> Message:
    """What `twotier notify test` sends."""
    now = clock.now()
    return Message(
        title="twotier: test",
        text="This is a test message of twotier. Nothing is wrong.",
        key=f"test-{ms(now)}",
        facts={"kind": "test", "state": "test", "severity": "warning", "at": now.isoformat()},
    )


def row_of(one: Incident) -> IncidentRow:
    """As it is stored."""
    ended_ms = 0 if one.ended_at is None else ms(one.ended_at)
    return IncidentRow(
        key=one.key,
        opened_ms=ms(one.opened_at),
        about=one.about,
        kind=one.kind,
        text=one.text,
        severity=one.severity.value,
        ended_ms=ended_ms,
    )


def incident_of(row: IncidentRow) -> Incident:
    """As it was."""
    opened_at = at(row.opened_ms)
    severity = Severity(row.severity)
    return Incident(row.key, row.about, row.kind, row.text, severity, opened_at)
