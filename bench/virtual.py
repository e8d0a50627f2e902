"""What stands in for time and for two servers where a day passes in seconds."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from twotier.domain.money import FREE, Price
from twotier.domain.tier import TierSpec


class VirtualClock:
    """A clock that stands still until it is turned; sleepers wake when their time has come."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._passed = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        """The instant."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Until so many seconds were turned."""
        woken = asyncio.Event()
        self._sleepers.append((self._passed + seconds, woken))
        await woken.wait()

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._passed += seconds
        for due, woken in self._sleepers:
            if due <= self._passed:
                woken.set()
        self._sleepers = [one for one in self._sleepers if one[0] > self._passed]


def local_spec() -> TierSpec:
    """A free tier of this machine."""
    return _spec("local", "mlx-local", "MiniMax-M2.5", price=FREE)


def frontier_spec(price: Price | None) -> TierSpec:
    """Anthropic's API."""
    return _spec("frontier", "anthropic", "claude-opus-4-6", price=price)


def _spec(name: str, provider: str, model: str, *, price: Price | None) -> TierSpec:
    local = price is FREE
    return TierSpec(
        name=name,
        provider=provider,
        model=model,
        model_upstream=model,
        dialect="openai_chat" if local else "anthropic_messages",
        local=local,
        price=price,
        window_tokens=196_608,
        output_tokens_default=8_192,
        stream_always=not local,
        can_images=False,
        can_tools=True,
        connect_seconds=5.0,
        first_token_seconds=600.0,
        idle_seconds=600.0,
        total_seconds=3_600.0,
        caches=not local,
    )
