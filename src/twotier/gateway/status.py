"""The state of everything at once, as `twotier status` and the banner of `up` show it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec

from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD, Budget
from twotier.domain.tier import TierFacts
from twotier.errors import LedgerError
from twotier.exchange import Tier
from twotier.gateway.findings import probe_state, speed_state
from twotier.gateway.live import Live
from twotier.learned.tiers import Learned
from twotier.ledger.book import Book
from twotier.ledger.reports import Outlook, RepairRow

REPAIR_DAYS = 7
FROM_LEDGER = ("spend_today_usd", "outside_today", "repairs", "budgets", "outlook")


def usd_text(microusd: int) -> str:
    """Micro-dollars as decimal text, which JSON cannot round."""
    return f"{microusd / MICROUSD_PER_USD:.6f}"


class AlsoAt(Protocol):
    """A port beside the first one. `because`: why it is not answered, empty while it is."""

    address: str
    because: str


@dataclass(frozen=True, slots=True)
class Status:
    """What is needed to tell it. `zone` is the one in which today began.

    `address` is where we listen, `public_url` what clients use: both without `/v1`.
    """

    version: str
    address: str
    public_url: str
    started_at: datetime
    zone: str
    tiers: Mapping[str, Tier]
    worker: Callable[[], TierFacts]
    book: Book
    live: Live
    budgets: Callable[[], Sequence[Budget]]
    clock: Clock
    learned: Learned
    alerts: Callable[[], list[dict[str, Any]]] = list
    channels: Callable[[], list[dict[str, object]]] = list
    outside: Callable[[datetime, datetime], Awaitable[dict[str, Any]]] | None = None
    batches: Callable[[], list[dict[str, object]]] = list
    also: list[AlsoAt] = field(default_factory=list)

    async def told(self) -> dict[str, Any]:
        """All of it, as plain values."""
        facts = self.worker()
        return {
            "pid": os.getpid(),
            "version": self.version,
            "started_at": self.started_at.isoformat(),
            "address": self.address,
            "public_url": self.public_url,
            "also": [{"address": one.address, "because": one.because} for one in self.also],
            "tiers": [self.tier(name) for name in self.tiers],
            "alerts": self.alerts(),
            "channels": self.channels(),
            "batches": self.batches(),
            "worker": {"state": facts.state.value, "pid": facts.pid, "because": facts.because},
            "requests": {"in_flight": self.live.under_way, "since_start": self.live.begun},
            **await self.of_ledger(),
        }

    async def of_ledger(self) -> dict[str, Any]:
        """What only the ledger knows. Where it cannot be read, each is None and `unreadable` says
        why: whoever asks what runs must hear that all the same.
        """
        try:
            read: dict[str, Any] = {
                "spend_today_usd": usd_text(await self.spent_today()),
                "outside_today": await self.outside_told(*self.today()),
                "repairs": [repair_state(one) for one in await self.book.repairs(self.last_days())],
                "budgets": await self.budgets_told(),
                "outlook": await self.outlook_told(),
            }
            unreadable = ""
        except LedgerError as exc:
            read, unreadable = dict.fromkeys(FROM_LEDGER), exc.message
        kept = {"recovered": self.book.recovered, "lost": self.book.lost, "held": self.book.held}
        return {**read, "ledger": {**kept, "unreadable": unreadable}}

    def line(self) -> str:
        """All of it in one line, for whoever keeps us alive."""
        tiers = (f"{name} {tier.facts().state.value}" for name, tier in self.tiers.items())
        return "; ".join([self.address, *tiers, f"worker {self.worker().state.value}"])

    async def budgets_told(self) -> list[dict[str, Any]]:
        """Every budget: where it stands and where it is going."""
        return [budget_state(one) for one in await self.book.outlooks(self.budgets())]

    async def outlook_told(self) -> dict[str, Any]:
        """What all work will have cost by the end of the day and of the month, whether or not a
        budget asks for it.
        """
        periods = [Budget(name=name, period=name, zone=self.zone) for name in ("day", "month")]
        return {
            one.state.budget.period: {
                "spent_usd": usd_text(one.state.spent_microusd),
                "forecast_usd": maybe_usd(one.forecast_microusd),
                "resets_at": one.state.resets_at.isoformat(),
            }
            for one in await self.book.outlooks(periods)
        }

    def last_days(self) -> datetime:
        """Since when repairs of tool calls are told."""
        return self.clock.now() - timedelta(days=REPAIR_DAYS)

    def tier(self, name: str) -> dict[str, Any]:
        """One tier: its state, its speed as learned, its last probe."""
        pace, standing = self.learned.speeds.paces[name], self.learned.verdicts.standings[name]
        return {
            **tier_state(self.tiers[name]),
            "speed": speed_state(pace, self.learned.sizes.scales.get(name)),
            "probe": probe_state(standing),
        }

    async def spent_today(self) -> int:
        """Micro-dollars since midnight."""
        midnight, now = self.today()
        rows = await self.book.spend(by="tier", since=midnight, until=now)
        return sum(row.cost_microusd for row in rows)

    def today(self) -> tuple[datetime, datetime]:
        """Midnight, and now."""
        now = self.clock.now().astimezone(ZoneInfo(self.zone))
        return now.replace(hour=0, minute=0, second=0, microsecond=0), now

    async def outside_told(self, since: datetime, until: datetime) -> dict[str, Any] | None:
        """What did not come through twotier; None where nobody looks."""
        return None if self.outside is None else await self.outside(since, until)


def tier_state(tier: Tier) -> dict[str, Any]:
    """One tier."""
    facts = tier.facts()
    load = None if tier.slots is None else msgspec.structs.asdict(tier.slots.load())
    return {
        "name": tier.spec.name,
        "ref": tier.spec.ref,
        "state": facts.state.value,
        "because": facts.because,
        "local": tier.spec.local,
        "address": facts.address,
        "pid": facts.pid,
        "window_tokens": facts.window_tokens or tier.spec.window_tokens,
        "window_because": facts.window_because,
        "memory": tier.memory() if tier.memory else None,
        "slots": load,
    }


def repair_state(row: RepairRow) -> dict[str, Any]:
    """The tool calls of one model that came as text."""
    return {"tier": row.tier, "model": row.model, "days": REPAIR_DAYS, "kinds": dict(row.kinds)}


def budget_state(one: Outlook) -> dict[str, Any]:
    """One budget. `forecast_usd` is null while too little has been seen."""
    state, budget = one.state, one.state.budget
    return {
        "name": budget.name,
        "of_key": budget.of_key,
        **budget.scope._asdict(),
        "period": budget.period,
        "zone": budget.zone,
        "at_limit": budget.at_limit,
        "background_percent": budget.background_percent,
        "spent_usd": usd_text(state.spent_microusd),
        "outside_usd": usd_text(state.outside_microusd),
        "reserved_usd": usd_text(state.reserved_microusd),
        "forecast_usd": maybe_usd(one.forecast_microusd),
        "alert_usd": maybe_usd(budget.alert_microusd),
        "limit_usd": maybe_usd(budget.limit_microusd),
        "refused": state.refused,
        "ledger_time": one.now.isoformat(),
        "resets_at": state.resets_at.isoformat(),
    }


def maybe_usd(microusd: int | None) -> str | None:
    """The same for what may not be there."""
    return None if microusd is None else usd_text(microusd)
