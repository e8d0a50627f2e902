"""Figures and times as pages say them. Pure: the zone and the present are handed in by the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
CENT = Decimal("0.01")
MINUTE, HOUR, DAY = 60, 3_600, 86_400
SHORT = (("d", DAY), ("h", HOUR), ("min", MINUTE))
GB = 1_000_000_000


def usd(amount: object) -> str:
    """Dollars of the wire: cents, and under a cent as many digits as there is anything to say."""
    if amount in (None, ""):
        return NONE
    try:
        value = Decimal(str(amount))
    except InvalidOperation:
        return NONE
    sign, value = (MINUS if value < 0 else ""), abs(value)
    if value == 0 or value >= CENT:
        return f"{sign}${value:,.2f}"
    return f"{sign}${value:.6f}".rstrip("0")


def cents(amount: object) -> str:
    """Dollars for a headline: to the cent, and `under $0.01` for what is less."""
    if amount in (None, ""):
        return NONE
    value = Decimal(str(amount))
    return "under $0.01" if 0 < abs(value) < CENT else usd(value)


def count(number: object) -> str:
    """A whole number with its thousands apart."""
    return NONE if number is None else f"{int(str(number)):,}"


def short(number: object) -> str:
    """A large number in three digits: 840, 12.4K, 3.1M."""
    if number is None:
        return NONE
    value = float(str(number))
    for unit, size in (("M", 1e6), ("K", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def gigabytes(number: object) -> str:
    """Bytes as gigabytes."""
    return NONE if number is None else f"{float(str(number)) / GB:.1f} GB"


def instant(iso: str | datetime | None) -> datetime | None:
    """An instant of the wire, in UTC; one without a zone is one of UTC."""
    if not iso:
        return None
    when = datetime.fromisoformat(iso) if isinstance(iso, str) else iso
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def at(iso: str | datetime | None, *, zone: tzinfo, now: datetime) -> str:
    """An instant as people here say it: the time alone for today, the year where it is another."""
    when = instant(iso)
    if when is None:
        return NONE
    here, today = when.astimezone(zone), now.astimezone(zone)
    if here.date() == today.date():
        return f"{here:%H:%M}"
    if abs((here.date() - today.date()).days) < 7:
        return f"{here:%a %H:%M}"
    return f"{here:%d %b %H:%M}" if here.year == today.year else f"{here:%d %b %Y}"


def took(seconds: float | None) -> str:
    """How long: 40 ms, 1.5 s, 12 s, 4 min, 2 h 10 min."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1_000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    for (unit, size), (below, part) in zip(SHORT, (*SHORT[1:], ("", 0)), strict=False):
        if seconds >= size:
            whole = f"{seconds // size:.0f} {unit}"
            rest = int(seconds % size // part) if part else 0
            return f"{whole} {rest} {below}" if rest and size != MINUTE else whole
    return NONE


def away(iso: str | datetime | None, now: datetime) -> str:
    """How far an instant is: `in 4 min`, `2 h ago`, `now`."""
    when = instant(iso)
    if when is None:
        return NONE
    seconds = (when - now.astimezone(UTC)).total_seconds()
    if abs(seconds) < 1:
        return "now"
    long = took(float(int(abs(seconds)))).replace(".0 s", " s")
    return f"in {long}" if seconds > 0 else f"{long} ago"


def share(part: object, whole: object) -> float:
    """A part of a whole between 0 and 100, for a bar; 0 where there is no whole."""
    of = float(str(whole or 0))
    return 0.0 if of <= 0 else max(0.0, min(100.0, 100 * float(str(part or 0)) / of))


def plural(number: int, one: str, *, many: str = "") -> str:
    """`1 job`, `2 jobs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "usd": usd,
    "cents": cents,
    "count": count,
    "short": short,
    "gb": gigabytes,
    "at": at,
    "away": away,
    "took": took,
    "plural": plural,
}
