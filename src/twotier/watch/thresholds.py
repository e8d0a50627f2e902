"""When a price is worth telling: it crosses a line, or has moved far enough. Pure.

A line is told once, and again only after the price has gone back behind it by the hysteresis, so
that a price which hovers there does not ring each time. A move is counted from the price that was
last told, or from the oldest of a window. The first price is the baseline: it tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

HUNDRED = Decimal(100)
POINTS_MAX = 500

Points = tuple[tuple[datetime, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner wants to hear of one symbol. Percentages are of the price or the line."""

    above: Decimal | None = None
    below: Decimal | None = None
    change_percent: Decimal | None = None
    window_seconds: float = 0.0  # 0: since the last time it was told
    hysteresis_percent: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a symbol: the last price, the one that moves are counted from, those
    of the window (oldest first), and whether it counts as above and below its lines.
    """

    last: Decimal
    told: Decimal
    points: Points = ()
    high: bool = False
    low: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """Why a price is told, in words, and the price it is compared with."""

    because: str
    before: Decimal


def decide(
    price: Decimal, rules: Rules, *, known: Known | None, now: datetime
) -> tuple[Known, list[News]]:
    """What is known from now on, and what is worth telling."""
    high = is_high(price, rules, was=known is not None and known.high)
    low = is_low(price, rules, was=known is not None and known.low)
    if known is None:
        return Known(price, price, within(((now, price),), rules, now=now), high, low), []
    found = []
    if high and not known.high:
        found.append(News(f"it has reached {rules.above}", known.last))
    if low and not known.low:
        found.append(News(f"it has fallen to {rules.below}", known.last))
    points = within((*known.points, (now, price)), rules, now=now)
    before = points[0][1] if rules.window_seconds else known.told
    percent = (price - before) * HUNDRED / before
    told = known.told
    if rules.change_percent is not None and abs(percent) >= rules.change_percent:
        found.append(News(moved(percent, rules), before))
        told, points = price, within(((now, price),), rules, now=now)
    return Known(price, told, points, high, low), found


def is_high(price: Decimal, rules: Rules, *, was: bool) -> bool:
    """Whether it counts as above its line: once there, until it is back by the hysteresis."""
    if rules.above is None:
        return False
    back = rules.above * (HUNDRED - rules.hysteresis_percent) / HUNDRED
    return price >= rules.above or (was and price > back)


def is_low(price: Decimal, rules: Rules, *, was: bool) -> bool:
    """Whether it counts as below its line: once there, until it is back by the hysteresis."""
    if rules.below is None:
        return False
    back = rules.below * (HUNDRED + rules.hysteresis_percent) / HUNDRED
    return price <= rules.below or (was and price < back)


def within(points: Points, rules: Rules, *, now: datetime) -> Points:
    """The points of the window, fewer where there are very many: the oldest one always counts."""
    if not rules.window_seconds:
        return ()
    begin = now - timedelta(seconds=rules.window_seconds)
    kept = tuple(point for point in points if point[0] >= begin)
    return kept if len(kept) <= POINTS_MAX else (*kept[:-1:2], kept[-1])


def moved(percent: Decimal, rules: Rules) -> str:
    """How far it has moved, in words."""
    way = "risen" if percent > 0 else "fallen"
    span = "since it was last told"
    if rules.window_seconds:
        hours = f"{rules.window_seconds / 3_600:g} h"
        span = f"within {hours}"
    return f"it has {way} by {abs(percent):.1f} % {span}"
