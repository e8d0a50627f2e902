"""`GET /metrics`: what was counted, and how things stand, for Prometheus.

It needs the key like every path: it names models and clients, and what they cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from twotier import __version__
from twotier.alerts.desk import Alerts
from twotier.domain.tier import TierState
from twotier.exchange import Tier
from twotier.gateway import findings
from twotier.gateway.asgi import Call, header, respond
from twotier.gateway.live import Live
from twotier.learned.tiers import Learned
from twotier.ledger.book import Book
from twotier.logs import Lines
from twotier.router.breaker import Breakers, State
from twotier.telemetry import counts, exposition, process
from twotier.telemetry.families import (
    ALERT_MESSAGES,
    ALERTS_WAITING,
    BREAKER_STATE,
    BUILD,
    IN_FLIGHT,
    INCIDENTS,
    INCIDENTS_OPENED,
    LEDGER_LOST,
    LINES_LOST,
    REFUSALS,
    SLOTS,
    SLOTS_IN_USE,
    TIER_STATE,
    WAITING,
    Samples,
)


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The route."""

    counts: counts.Counts
    live: Live
    tiers: Mapping[str, Tier]
    breakers: Breakers
    book: Book
    lines: Lines
    learned: Learned
    alerts: Alerts

    async def __call__(self, call: Call) -> None:
        """Look on the loop, write elsewhere: a long page must not hold up an answer."""
        now, tallies = self.now(), self.counts.tallies()
        accept = header(call.scope, b"accept")

        def written() -> tuple[bytes, str]:
            everything = {**now, **counts.samples(tallies), **process.samples()}
            return exposition.page(everything, accept)

        body, media_type = await asyncio.to_thread(written)
        headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
        await respond(call.send, 200, body=body, headers=headers)

    def now(self) -> Samples:
        """How things stand."""
        states = {name: tier.facts().state for name, tier in self.tiers.items()}
        models = [(name, tier.spec.model) for name, tier in self.tiers.items()]
        loads = [((name,), tier.slots.load()) for name, tier in self.tiers.items() if tier.slots]
        breakers = dict.fromkeys(models, State.CLOSED) | self.breakers.states()
        return {
            **findings.samples(self.learned),
            **alert_samples(self.alerts),
            BUILD: [((__version__,), 1)],
            IN_FLIGHT: [((), self.live.under_way)],
            REFUSALS: [((code,), count) for code, count in self.live.refusals.by_code.items()],
            LEDGER_LOST: [((), self.book.lost)],
            LINES_LOST: [((), self.lines.lost)],
            BREAKER_STATE: [
                ((tier, model, state.value), int(state is now))
                for (tier, model), now in breakers.items()
                for state in State
            ],
            SLOTS: [(labels, load.admitted) for labels, load in loads],
            SLOTS_IN_USE: [(labels, load.in_use) for labels, load in loads],
            WAITING: [(labels, load.waiting) for labels, load in loads],
            TIER_STATE: [
                ((name, state.value), int(state is now))
                for name, now in states.items()
                for state in TierState
            ],
        }


def alert_samples(alerts: Alerts) -> Samples:
    """What is open, and what became of the messages."""
    return {
        INCIDENTS: list(alerts.open_by().items()),
        INCIDENTS_OPENED: [((kind,), count) for kind, count in alerts.opened_count.items()],
        ALERT_MESSAGES: list(alerts.sent.items()),
        ALERTS_WAITING: [((name,), count) for name, count in alerts.waiting().items()],
    }
