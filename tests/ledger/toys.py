"""What ledger tests share: a clock turned by hand, and attempts with little to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from twotier.domain.message import Usage
from twotier.domain.money import FREE, Attempt, Budget, Outcome, Price, Settled, Settlement

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
OPUS = Price(5_000_000, 25_000_000, 500_000, 6_250_000, 10_000_000, "2026-02-05", "price page")
USD = 1_000_000


@dataclass
class HandClock:
    """`domain.clock.Clock` whose hands a test turns."""

    moment: datetime = NOON
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.turn(seconds)

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def paid(
    attempt_id: str, reserved_microusd: int, *, background: bool = False, client: str = ""
) -> Attempt:
    return Attempt(
        id=attempt_id,
        request_id=f"r-{attempt_id}",
        tier="frontier",
        provider="anthropic",
        model="claude-opus-4-6",
        model_asked="auto",
        rule="kind",
        price=OPUS,
        reserved_microusd=reserved_microusd,
        background=background,
        client=client,
    )


def free(attempt_id: str, *, kind: str = "request", job: str = "", client: str = "") -> Attempt:
    return Attempt(
        id=attempt_id,
        request_id=f"r-{attempt_id}",
        tier="local",
        provider="mlx-local",
        model="MiniMax-M2.5",
        model_asked="local",
        rule="explicit",
        price=FREE,
        reserved_microusd=0,
        kind=kind,
        job=job,
        client=client,
    )


def settled(cost_microusd: int = 0, state: Settled = Settled.SETTLED) -> Settlement:
    return Settlement(state, Outcome.OK, cost_microusd, Usage(100, 20, 3, 4, 5, 6), "served")


def daily(
    limit_microusd: int, *, at_limit: str = "stop", zone: str = "UTC", client: str = ""
) -> Budget:
    return Budget(
        *(client or "daily", "day", zone, None, limit_microusd, at_limit, client),
        of_key=bool(client),
    )
