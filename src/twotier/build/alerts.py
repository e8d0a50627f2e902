"""What a person has to hear of: kept for `twotier status`, written to the log, sent on.

A channel that does not answer is tried again for some minutes. An alert that was never delivered
still stands in the log and in the status, so nothing depends on the channel.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from twotier.config.load import Loaded
from twotier.config.secrets import resolve
from twotier.domain.alert import Alert
from twotier.domain.clock import Clock
from twotier.errors import DeliveryError
from twotier.notify.base import Channel, Message
from twotier.notify.http import Ntfy, Webhook

log = logging.getLogger("twotier.alerts")
KEPT = 20
WAITING_MAX = 50
PAUSES_SECONDS = (1.0, 10.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert and its moment."""

    alert: Alert
    at: datetime


class Alerts:
    """Called with an alert, never waits. `run` must be running for it to leave this machine."""

    def __init__(self, clock: Clock, *, channel: Channel | None = None, target: str = "") -> None:
        self._clock = clock
        self._channel = channel
        self._target = target
        self._recent: deque[Raised] = deque(maxlen=KEPT)
        self._waiting: asyncio.Queue[Raised] = asyncio.Queue(WAITING_MAX)

    def __call__(self, alert: Alert) -> None:
        """Raise it."""
        raised = Raised(alert, self._clock.now())
        self._recent.append(raised)
        text = f"ALERT {alert.about}: {alert.text}"
        log.warning(text, extra={"kind": alert.kind, "about": alert.about})
        if self._channel is not None and not self._waiting.full():
            self._waiting.put_nowait(raised)

    def told(self) -> list[dict[str, Any]]:
        """The last ones as plain values, the newest last."""
        return [
            {
                "at": one.at.isoformat(),
                "about": one.alert.about,
                "kind": one.alert.kind,
                "text": one.alert.text,
            }
            for one in self._recent
        ]

    async def run(self) -> None:
        """Send what is raised, in order, until cancelled."""
        while self._channel is not None:
            await self._send(await self._waiting.get(), self._channel)

    async def _send(self, raised: Raised, channel: Channel) -> None:
        alert = raised.alert
        message = Message(
            title=f"twotier: {alert.about} ({alert.kind})",
            text=alert.text,
            key=f"{alert.about}:{alert.kind}:{raised.at.isoformat()}",
            facts={"about": alert.about, "kind": alert.kind, "at": raised.at.isoformat()},
        )
        for pause_seconds in (0.0, *PAUSES_SECONDS):
            await self._clock.sleep(pause_seconds)
            try:
                await channel.send(self._target, message)
            except DeliveryError as exc:
                log.warning("an alert was not delivered", extra={"because": exc.message})
            else:
                return


def alerts_of(loaded: Loaded, clock: Clock) -> Alerts:
    """As the configuration says: the log and the status always, a channel where one is named."""
    kind, _, target = loaded.config.alerts.to.partition(":")
    if kind == "webhook":
        return Alerts(clock, channel=Webhook(), target=target)
    if kind == "ntfy":
        ntfy = loaded.config.ntfy
        token = resolve(ntfy.token, home=loaded.home) if ntfy.token else None
        return Alerts(clock, channel=Ntfy(ntfy.url, token or ""), target=target)
    return Alerts(clock)
