"""Money: integer micro-dollars, dated prices, and the rows that say where each one went.

1 USD = 1,000,000 micro-dollars. A price per million tokens in micro-dollars divided by a million
is therefore the price of one token in micro-dollars; sums are rounded up once per attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import NamedTuple

import msgspec

from twotier.domain.message import Caching, Usage
from twotier.domain.price import FREE, PLAIN, Asked, Price
from twotier.domain.timing import Timing
from twotier.domain.work import NO_WORK, Work

__all__ = [
    "FREE",
    "MICROUSD_PER_USD",
    "NO_USAGE",
    "Attempt",
    "Budget",
    "BudgetState",
    "Outcome",
    "Price",
    "Settled",
    "Settlement",
    "microusd_of",
    "usd",
]
MICROUSD_PER_USD = 1_000_000
USD_MAX = 1_000_000_000
NO_USAGE = Usage()


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


class Attempt(msgspec.Struct, frozen=True):
    """One try at one tier, as it stands before the first byte goes upstream.

    `kind` is `request` or `probe`. `run` and `step` name the job's run, empty for clients.
    `rule` is the routing rule that chose the tier. `reserved_microusd` is an upper bound. `dialect`
    is what the client speaks, `trace` its W3C `traceparent` if it sent one, `conversation` the name
    of the one it belongs to and `work` what its estimate saw, both in memory only. `asked` is what
    the request says of its cost beside its tokens, `caching` what we mark for the provider's cache,
    None for nothing.
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
    dialect: str = ""
    trace: str = ""
    asked: Asked = PLAIN
    caching: Caching | None = None
    conversation: str = ""
    work: Work = NO_WORK


class Settlement(msgspec.Struct, frozen=True):
    """What became of an attempt. `cost_microusd` follows from usage, price and `settled`.

    `first_token_seconds` is None where no stream told when the first content came. `finish` is why
    the model stopped, empty if it did not; `bytes_out` went to the client. `timing` is what the
    upstream told of its own times. `repairs` says what was mended in its tool calls, and what could
    not be, once for each call. `waited_seconds` of all that went by in line for a slot.
    `held`: it was kept back to be checked, so nobody saw its first token come. Of the cost
    `fees_microusd` were for uses and not for tokens; `above_tokens` is the step of the price that a
    long prompt reached.
    """

    settled: Settled
    outcome: Outcome
    cost_microusd: int
    usage: Usage = NO_USAGE
    model_served: str = ""
    error: str = ""
    upstream_status: int = 0
    first_token_seconds: float | None = None
    total_seconds: float = 0.0
    finish: str = ""
    bytes_out: int = 0
    timing: Timing | None = None
    repairs: tuple[str, ...] = ()
    waited_seconds: float = 0.0
    held: bool = False
    fees_microusd: int = 0
    above_tokens: int = 0


class Scope(NamedTuple):
    """Whose work: of a budget, empty where all of it counts; of an attempt, what it was."""

    client: str = ""
    job: str = ""
    tier: str = ""
    model: str = ""
    work: str = ""

    def holds(self, one: Scope) -> bool:
        """Whether work of this kind counts."""
        for wanted, given in zip(self, one, strict=True):  # noqa: SIM110 - for each reservation
            if wanted not in ("", given):
                return False
        return True


def work_of(*, background: bool) -> str:
    """The word for it."""
    return "background" if background else "interactive"


def scope_of(attempt: Attempt) -> Scope:
    """What an attempt's cost counts as."""
    work = work_of(background=attempt.background)
    return Scope(attempt.client, attempt.job, attempt.tier, attempt.model, work)


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit over a period of a named zone. Amounts in micro-dollars, None where not set.

    `at_limit`: `alert` tells and goes on, `local-only` lets work go on where it is free, `stop`
    refuses it. `client`, `job`, `tier`, `model` and `work` say whose work counts, each of them
    empty for all of it; `work` is `background` or `interactive`. Jobs may use `background_percent`
    of the limit, and `tell_percents` of alert and limit are told, each once a period.
    """

    name: str
    period: str  # day, week, month
    zone: str
    alert_microusd: int | None = None
    limit_microusd: int | None = None
    at_limit: str = "local-only"
    client: str = ""
    job: str = ""
    tier: str = ""
    model: str = ""
    work: str = ""
    # "Background work first, a person at the keyboard last": what jobs may not use of a limit
    # waits for someone who is waiting.
    background_percent: int = 90
    tell_percents: tuple[int, ...] = (50, 80, 100)
    of_key: bool = False  # it came with its client's key, which is where it can be raised
    of_job: bool = False  # it is its job's own `budget_usd`

    @property
    def whose(self) -> str:
        """How messages call it."""
        return f"key {self.client}" if self.of_key else f"budget {self.name}"

    @property
    def scope(self) -> Scope:
        """Whose work counts."""
        return Scope(self.client, self.job, self.tier, self.model, self.work)

    def covers(self, attempt: Attempt) -> bool:
        """Whether this attempt's cost counts here."""
        return self.scope.holds(scope_of(attempt))


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget now: settled and reserved in the current period, which ends at `resets_at`.

    `refused` counts what its limit refused since then, as far as this process knows. Beside what is
    spent, `outside_microusd` went past twotier: it counts for the alert and never for the limit,
    which can only hold what goes through us.
    """

    budget: Budget
    spent_microusd: int
    reserved_microusd: int
    since: datetime
    resets_at: datetime
    refused: int = 0
    outside_microusd: int = 0


def usd(microusd: int) -> str:
    """A sum as people read it: always a dollar sign, cents, and more digits when they matter."""
    dollars = microusd / MICROUSD_PER_USD
    if microusd and abs(microusd) < MICROUSD_PER_USD // 100:
        return f"${dollars:.6f}"
    return f"${dollars:,.2f}" if abs(microusd) >= MICROUSD_PER_USD else f"${dollars:.4f}"


def microusd_of(text: str) -> int:
    """Dollars as a person writes them, in micro-dollars. Raises `ValueError` with the sentence."""
    try:
        amount = Decimal(text.strip().removeprefix("$"))
        good = 0 <= amount <= USD_MAX  # a NaN compares by raising
    except InvalidOperation as exc:
        raise ValueError("write dollars, for example 5 or 2.50") from exc
    if not good:
        raise ValueError(f"between 0 and {USD_MAX} dollars")
    return int(amount * MICROUSD_PER_USD)
