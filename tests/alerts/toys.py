"""What these tests share: conditions with little to say, and channels that take or refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from twotier.alerts.incidents import Incident, Look, Step, step
from twotier.alerts.outbox import Way
from twotier.domain.alert import Condition, Severity
from twotier.errors import DeliveryError
from twotier.notify.base import Message

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def condition(
    key: str = "server:local", text: str = "it died", severity: Severity = Severity.WARNING
) -> Condition:
    return Condition(key, key.rpartition(":")[2], "down", text, severity)


def after(
    open_: Mapping[str, Incident], look: Look, *, minutes: float = 0
) -> tuple[dict[str, Incident], Step]:
    """The incidents that are open after a look, and what it changed."""
    found = step(open_, look, now=NOON + timedelta(minutes=minutes))
    now_open = {**open_, **{one.key: one for one in (*found.opened, *found.changed)}}
    gone = {one.key for one in found.ended}
    return {key: one for key, one in now_open.items() if key not in gone}, found


@dataclass
class Box:
    """A channel that keeps what it takes; `refusals` are raised first, one a try."""

    refusals: list[Exception] = field(default_factory=list)
    tried: list[Message] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, target: str, message: Message) -> str:
        self.tried.append(message)
        self.news.set()
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append(message)
        return "taken"

    @property
    def titles(self) -> list[str]:
        """Of what was taken."""
        return [message.title for message in self.taken]


def away(count: int = 1) -> list[Exception]:
    """So many tries that find nobody."""
    return [DeliveryError("nobody there") for _ in range(count)]


def way(box: Box, name: str = "phone", least: Severity = Severity.INFO, **more: bool) -> Way:
    return Way(name, "toy", box, "somewhere", least, **more)
