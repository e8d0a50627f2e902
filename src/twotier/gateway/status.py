"""The state of everything at once, as `twotier status` and the banner of `up` show it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD, Budget, BudgetState
from twotier.domain.tier import TierFacts
from twotier.exchange import Tier
from twotier.ledger.book import Book


def usd_text(microusd: int) -> str:
    """Micro-dollars as decimal text, which JSON cannot round."""
    return f"{microusd / MICROUSD_PER_USD:.6f}"


@dataclass(frozen=True, slots=True)
class Status:
    """What is needed to tell it. `zone` is the one in which today began."""

    version: str
    address: str
    started_at: datetime
    zone: str
    tiers: Mapping[str, Tier]
    worker: Callable[[], TierFacts]
    book: Book
    budgets: Sequence[Budget]
    clock: Clock

    async def told(self) -> dict[str, Any]:
        """All of it, as plain values."""
        facts = self.worker()
        return {
            "pid": os.getpid(),
            "version": self.version,
            "started_at": self.started_at.isoformat(),
            "address": self.address,
            "tiers": [tier_state(tier) for tier in self.tiers.values()],
            "worker": {"state": facts.state.value, "pid": facts.pid, "because": facts.because},
            "spend_today_usd": usd_text(await self.spent_today()),
            "budgets": [budget_state(one) for one in await self.book.budgets(self.budgets)],
            "ledger": {"recovered": self.book.recovered, "lost": self.book.lost},
        }

    async def spent_today(self) -> int:
        """Micro-dollars since midnight."""
        now = self.clock.now().astimezone(ZoneInfo(self.zone))
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        rows = await self.book.spend(by="tier", since=midnight, until=now)
        return sum(row.cost_microusd for row in rows)


def tier_state(tier: Tier) -> dict[str, Any]:
    """One tier."""
    facts = tier.facts()
    return {
        "name": tier.spec.name,
        "ref": tier.spec.ref,
        "state": facts.state.value,
        "because": facts.because,
        "local": tier.spec.local,
        "address": facts.address,
        "pid": facts.pid,
        "window_tokens": tier.spec.window_tokens,
    }


def budget_state(state: BudgetState) -> dict[str, Any]:
    """One budget."""
    alert, limit = state.budget.alert_microusd, state.budget.limit_microusd
    return {
        "name": state.budget.name,
        "period": state.budget.period,
        "at_limit": state.budget.at_limit,
        "spent_usd": usd_text(state.spent_microusd),
        "reserved_usd": usd_text(state.reserved_microusd),
        "alert_usd": None if alert is None else usd_text(alert),
        "limit_usd": None if limit is None else usd_text(limit),
        "resets_at": state.resets_at.isoformat(),
    }
