"""`twotier spend check`: what was spent today, if it is too much; silence if it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from twotier.cli.output import dollars
from twotier.cli.peers import main_of
from twotier.cli.spend import since_days
from twotier.clock import SystemClock
from twotier.config.zones import LOCAL, zone_name
from twotier.errors import UsageError


def checked(config: Path, *, above: str, as_item: bool) -> int:
    """Print the day's sum, by model, where it is above the line. The exit code is 0 either way."""
    line = usd(above)
    now = SystemClock().now().astimezone()
    query = {"by": "model", "since": since_days(now, 1).isoformat(), "until": now.isoformat()}
    told = main_of(config).get("/control/spend", {**query, "zone": zone_name(LOCAL)})
    spent = spent_usd(told)
    if spent <= line:
        return 0
    if as_item:
        print(json.dumps(item_of(f"{now:%Y-%m-%d}", line)))
    else:
        print(f"{dollars(spent)} spent today, more than {dollars(line)}", *lines(told), sep="\n")
    return 0


def item_of(day: str, line: Decimal) -> dict[str, str]:
    """What a watcher takes for one thing all day: it says nothing that goes on to grow."""
    title = f"more than {dollars(line)} spent on {day}"
    text = (
        f"On {day} more than {dollars(line)} was spent; `twotier spend --by model` tells on what."
    )
    return {"id": f"{day} above {line}", "title": title, "text": text}


def usd(text: str) -> Decimal:
    """Dollars as they were typed. Raises `UsageError`."""
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation as exc:
        raise UsageError(f"--above {text!r}: dollars, such as 15 or 0.50") from exc
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--above {text!r}: dollars, such as 15 or 0.50")
    return amount


def spent_usd(told: Mapping[str, Any]) -> Decimal:
    """Through twotier, and beside it where that is known."""
    outside = (told.get("outside") or {}).get("outside_usd", "0")
    return Decimal(told["total"]["cost_usd"]) + Decimal(outside)


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The models that cost something, the dearest first; then what did not come through us."""
    paid = [row for row in told["rows"] if Decimal(row["cost_usd"])]
    for row in sorted(paid, key=lambda row: Decimal(row["cost_usd"]), reverse=True):
        yield f"{row['key'] or '-'}: {dollars(row['cost_usd'])} in {row['requests']} requests"
    if Decimal(outside := (told.get("outside") or {}).get("outside_usd", "0")):
        yield f"not through twotier: {dollars(outside)}"
