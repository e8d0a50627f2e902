"""Messages on their way, one row for each channel, kept on disk until somebody took them.

Made in quiet hours, a message is held and goes out with the others as one digest. A channel that
does not answer is tried again with growing pauses, after a restart too, and always with the same
key. What nobody took for days, or what is too much, is dropped with a line in the log: an outbox
without an end would one day be all that the disk holds.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from twotier.alerts.incidents import Notice
from twotier.alerts.quiet import Held, QuietHours, digest, held_until
from twotier.domain.alert import Severity
from twotier.domain.clock import Clock
from twotier.errors import DeliveryError
from twotier.ledger.incidents import PENDING, MessageRow
from twotier.notify.base import Channel, Message

log = logging.getLogger("twotier.alerts")
PAUSES_SECONDS = (1.0, 10.0, 60.0, 300.0, 1_800.0)  # the last one goes on
TICK_SECONDS = 1.0
WAITING_MAX = 200  # for each channel
NO_CHANNEL = "its channel is not in the configuration any more"
HELD = "held"  # the error of a message that waits for the end of the quiet hours


@dataclass(frozen=True, slots=True)
class Way:
    """A channel as it is configured. `secret`: its target is read as soon as it lies there."""

    name: str
    kind: str
    channel: Channel
    target: str = ""
    least: Severity = Severity.INFO
    heeds_quiet: bool = True


@dataclass(frozen=True, slots=True)
class Habits:
    """How messages are sent. `zone` is the one in which a digest tells the time."""

    quiet: QuietHours | None = None
    zone: str = "UTC"
    give_up_days: float = 7.0


Keep = Callable[[Sequence[MessageRow]], None]


class Outbox:
    """Messages in memory; what changes is handed back as rows, for whoever owns the disk."""

    def __init__(self, ways: Sequence[Way], clock: Clock, *, habits: Habits) -> None:
        self.delivered: Counter[tuple[str, str]] = Counter()  # by channel and outcome
        self._clock = clock
        self._habits = habits
        self._ways = {way.name: way for way in ways}
        self._waiting: dict[tuple[str, str], MessageRow] = {}

    def use(self, ways: Sequence[Way], habits: Habits) -> list[MessageRow]:
        """Other channels from now on; what waits for one that is gone is dropped."""
        self._ways, self._habits = {way.name: way for way in ways}, habits
        return self._clear()

    def take_up(self, rows: Sequence[MessageRow]) -> list[MessageRow]:
        """What an earlier life left on its way."""
        self._waiting.update({(row.id, row.channel): row for row in rows})
        return self._clear()

    def put(self, notices: Sequence[Notice]) -> list[MessageRow]:
        """New messages, for every channel that wants to hear of such; the rows to store."""
        now = self._clock.now()
        rows = [
            self._row(notice, way, now=now)
            for notice in notices
            for way in self._ways.values()
            if notice.severity.rank >= way.least.rank
        ]
        self._waiting.update({(row.id, row.channel): row for row in rows})
        return [*rows, *self._crowded()]

    def _row(self, notice: Notice, way: Way, *, now: datetime) -> MessageRow:
        quiet = self._habits.quiet if way.heeds_quiet else None
        due = held_until(quiet, notice.severity, now=now)
        return MessageRow(
            id=notice.key,
            channel=way.name,
            created_ms=ms(now),
            due_ms=ms(due),
            tries=0,
            severity=notice.severity.value,
            title=notice.title,
            text=notice.text,
            facts=json.dumps(dict(notice.facts)),
            error=HELD if due > now else "",
        )

    async def send_due(self, keep: Keep) -> None:
        """Try what is due, all channels at once. Never raises for a channel.

        What became of a message is handed to `keep` in the same breath: whoever is cancelled, or
        killed, a moment later has not sent it for nothing.
        """
        now_ms = ms(self._clock.now())
        due: dict[str, list[MessageRow]] = {}
        for row in sorted(self._waiting.values(), key=lambda row: (row.created_ms, row.id)):
            if row.due_ms <= now_ms:
                due.setdefault(row.channel, []).append(row)
        await asyncio.gather(*(self._send_all(rows, keep) for rows in due.values()))

    async def _send_all(self, rows: list[MessageRow], keep: Keep) -> None:
        """In their order. Where nobody answers, those behind wait as well."""
        joined = self._joined(rows)
        keep(joined)
        pause = 0.0
        for row in self._newest(rows, joined):
            way = self._ways.get(row.channel)
            if way is None or (row.id, row.channel) not in self._waiting:
                continue  # taken out of the configuration meanwhile
            if pause:
                keep([self._changed(self._later(row, pause, because=row.error))])
                continue
            tried, down = await self._try(row, way)
            keep([self._changed(tried)])
            pause = (tried.due_ms - ms(self._clock.now())) / 1000 if down else 0.0

    def _newest(self, rows: list[MessageRow], joined: list[MessageRow]) -> list[MessageRow]:
        """What there is to send after held ones have become one."""
        gone = {row.id for row in joined if row.state != PENDING}
        kept = [row for row in rows if row.id not in gone]
        return [*kept, *(row for row in joined if row.state == PENDING)]

    def _joined(self, rows: list[MessageRow]) -> list[MessageRow]:
        """Held messages and the digest that takes their place; none where fewer than two waited.

        The digest is a row of its own: tried again, it has the key it had before.
        """
        held = [row for row in rows if row.error == HELD]
        if len(held) < 2:
            return []
        found = digest([held_of(row) for row in held], zone=self._habits.zone)
        facts = json.dumps({"severity": found.severity.value, "messages": len(held)})
        whole = replace(
            held[-1],
            id=found.key,
            severity=found.severity.value,
            title=found.title,
            text=found.text,
            facts=facts,
            error="",
        )
        self._waiting[whole.id, whole.channel] = whole
        return [whole, *(self._changed(replace(row, state="joined", error="")) for row in held)]

    async def _try(self, row: MessageRow, way: Way) -> tuple[MessageRow, bool]:
        """One try; and whether it failed for want of somebody who answers."""
        try:
            await deliver(way, Message(row.title, row.text, row.id, json.loads(row.facts)))
        except DeliveryError as exc:
            self.delivered[way.name, "failed"] += 1
            facts = {"channel": way.name, "because": exc.message, "tries": row.tries + 1}
            log.warning("an alert was not delivered", extra=facts)
            pause = PAUSES_SECONDS[min(row.tries, len(PAUSES_SECONDS) - 1)]
            pause = max(pause, exc.retry_after_seconds or 0.0)
            later = self._later(row, pause, because=exc.message)
            return replace(later, tries=row.tries + 1), not exc.refused
        self.delivered[way.name, "sent"] += 1
        return replace(row, state="sent", tries=row.tries + 1, error=""), False

    def _later(self, row: MessageRow, seconds: float, *, because: str) -> MessageRow:
        now = self._clock.now()
        if now - at(row.created_ms) > timedelta(days=self._habits.give_up_days):
            return self._dropped(row, f"nobody took it for {self._habits.give_up_days:g} days")
        return replace(row, due_ms=ms(now + timedelta(seconds=seconds)), error=because)

    def _dropped(self, row: MessageRow, because: str) -> MessageRow:
        self.delivered[row.channel, "dropped"] += 1
        facts = {"channel": row.channel, "title": row.title, "because": because}
        log.error("a message was dropped", extra=facts)
        return replace(row, state="dropped", error=because)

    def _changed(self, row: MessageRow) -> MessageRow:
        """Remembered as long as it is on its way and its channel is there."""
        if row.state == PENDING and row.channel not in self._ways:
            row = self._dropped(row, NO_CHANNEL)
        if row.state == PENDING:
            self._waiting[row.id, row.channel] = row
        else:
            self._waiting.pop((row.id, row.channel), None)
        return row

    def _clear(self) -> list[MessageRow]:
        """Drop what leads nowhere any more."""
        gone = [row for row in self._waiting.values() if row.channel not in self._ways]
        return [self._changed(self._dropped(row, NO_CHANNEL)) for row in gone]

    def _crowded(self) -> list[MessageRow]:
        """Drop the least important of what is too much for a channel, of those the oldest."""
        dropped = []
        for name, count in Counter(row.channel for row in self._waiting.values()).items():
            mine = [row for row in self._waiting.values() if row.channel == name]
            mine.sort(key=lambda row: (Severity(row.severity).rank, row.created_ms))
            because = f"more than {WAITING_MAX} wait for this channel"
            for row in mine[: max(0, count - WAITING_MAX)]:
                dropped.append(self._changed(self._dropped(row, because)))  # noqa: PERF401 - two steps
        return dropped

    def next_seconds(self) -> float | None:
        """Until the next try, at most one tick: wall clocks jump. None where nothing waits."""
        if not self._waiting:
            return None
        due = at(min(row.due_ms for row in self._waiting.values()))
        return min(TICK_SECONDS, max(0.0, (due - self._clock.now()).total_seconds()))

    def way(self, name: str) -> Way | None:
        """The channel of this name."""
        return self._ways.get(name)

    def told(self) -> list[dict[str, object]]:
        """Every channel, how many messages wait for it, and why."""
        return [
            {"name": way.name, "kind": way.kind, "least": way.least.value, **self._state(way.name)}
            for way in self._ways.values()
        ]

    def waiting(self) -> Mapping[str, int]:
        """How many messages wait, by channel."""
        counts = Counter(row.channel for row in self._waiting.values())
        return {name: counts[name] for name in self._ways}

    def _state(self, name: str) -> dict[str, object]:
        rows = [row for row in self._waiting.values() if row.channel == name]
        failed = [row.error for row in rows if row.error != HELD and row.tries]
        held = sum(row.error == HELD for row in rows)
        return {"waiting": len(rows), "held": held, "because": failed[-1] if failed else ""}


async def deliver(way: Way, message: Message) -> str:
    """What the other side said. Raises `DeliveryError`, whatever went wrong."""
    try:
        return await way.channel.send(way.target, message)
    except DeliveryError:
        raise
    except Exception as exc:  # a defect of one channel must not end the program that it is part of
        log.exception("a channel broke", extra={"channel": way.name})
        what = f"the channel {way.name} broke ({type(exc).__name__}); see main.log"
        raise DeliveryError(what, refused=True) from exc


def held_of(row: MessageRow) -> Held:
    """A row as a digest tells it."""
    return Held(row.id, row.title, row.text, Severity(row.severity), at(row.created_ms))


def ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def at(moment_ms: int) -> datetime:
    """The other way."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment_ms)
