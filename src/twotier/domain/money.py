"""Money: integer micro-dollars, dated prices, and the rows that say where each one went.

1 USD = 1,000,000 micro-dollars. A price per million tokens in micro-dollars divided by a million
is therefore the price of one token in micro-dollars; sums are rounded up once per attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from twotier.domain.message import Usage

MICROUSD_PER_USD = 1_000_000
NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in micro-dollars per million tokens, from `since` on, by `source`."""

    input_microusd_per_mtok: int
    output_microusd_per_mtok: int
    cache_read_microusd_per_mtok: int
    cache_write_microusd_per_mtok: int
    cache_write_1h_microusd_per_mtok: int
    since: str
    source: str

    @property
    def free(self) -> bool:
        """True if nothing this model does can cost money."""
        return self == FREE or not any(
            (
                self.input_microusd_per_mtok,
                self.output_microusd_per_mtok,
                self.cache_read_microusd_per_mtok,
                self.cache_write_microusd_per_mtok,
                self.cache_write_1h_microusd_per_mtok,
            )
        )


FREE = Price(0, 0, 0, 0, 0, since="", source="own machine")


class Settled(StrEnum):
    """How sure a row's cost is. Only `open` rows still hold a reservation."""

    OPEN = "open"  # reserved, not yet settled
    SETTLED = "settled"  # from the provider's own usage
    ESTIMATED = "estimated"  # usage was partial or missing; counted by us, marked
    UNKNOWN = "unknown"  # we died in between: charged at the reservation, marked
    VOID = "void"  # the upstream never took the request: nothing was spent


class Outcome(StrEnum):
    """How an attempt ended, from the client's point of view."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one tier, as it stands before the first byte goes upstream.

    `kind` is `request` or `probe`. `run` and `step` name the job's run, empty for clients.
    `rule` is the routing rule that chose the tier. `reserved_microusd` is an upper bound.
    """

    id: str
    request_id: str
    tier: str
    provider: str
    model: str
    model_asked: str
    rule: str
    price: Price
    reserved_microusd: int
    kind: str = "request"
    client: str = ""
    job: str = ""
    run: str = ""
    step: str = ""
    background: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of an attempt. `cost_microusd` follows from usage, price and `settled`."""

    settled: Settled
    outcome: Outcome
    cost_microusd: int
    usage: Usage = NO_USAGE
    model_served: str = ""
    error: str = ""
    upstream_status: int = 0
    first_token_seconds: float | None = None
    total_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit over a period of a named zone. Amounts in micro-dollars, None where not set.

    `at_limit`: `alert` tells and goes on, `local-only` lets work go on where it is free, `stop`
    refuses it.
    """

    name: str
    period: str  # day, week, month
    zone: str
    alert_microusd: int | None = None
    limit_microusd: int | None = None
    at_limit: str = "local-only"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget now: settled and reserved in the current period, which ends at `resets_at`."""

    budget: Budget
    spent_microusd: int
    reserved_microusd: int
    since: datetime
    resets_at: datetime


def usd(microusd: int) -> str:
    """A sum as people read it: always a dollar sign, cents, and more digits when they matter."""
    dollars = microusd / MICROUSD_PER_USD
    if microusd and abs(microusd) < MICROUSD_PER_USD // 100:
        return f"${dollars:.6f}"
    return f"${dollars:,.2f}" if abs(microusd) >= MICROUSD_PER_USD else f"${dollars:.4f}"
