"""`twotier savings`: what the same work would have cost otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.cli.output import dollars, emit, show
from twotier.cli.peers import main_of
from twotier.cli.spend import DAYS_MAX, since_days, since_month
from twotier.clock import SystemClock
from twotier.errors import UsageError

WAYS = {
    "A": "all of it at {frontier}, nothing cached",
    "B": "the same with caching and batches: the fair one",
    "C": "as B, but {cheap} for what was done here",
    "D": "as B, without the looks that found nothing",
    "P": "what was paid",
}
PARTS = {
    "no_model": "no model was needed",
    "local": "local tier",
    "caching": "caching, against B's",
    "batch": "batch, against B's",
    "against": "failed and repeated tries, probes",
}


def savings(config: Path, *, days: int | None, as_json: bool) -> int:
    """Ask main for the span: since the first of the month, or the last days."""
    if days is not None and not 1 <= days <= DAYS_MAX:
        raise UsageError(f"--days {days}: a number between 1 and {DAYS_MAX}")
    now = SystemClock().now().astimezone()
    since = since_month(now) if days is None else since_days(now, days)
    query = {"since": since.isoformat(), "until": now.isoformat()}
    told = main_of(config).get("/control/savings", query)
    if as_json:
        emit({**query, **told})
    else:
        print(f"since {since:%Y-%m-%d}:")
        table(told)
    return 0


def table(told: Mapping[str, Any]) -> None:
    """The columns as rows, what the difference is made of, and what rests on guesses."""
    names = {"frontier": told["frontier"], "cheap": told["cheap"]}
    rows = [
        (way, dollars(one["usd"]), one["calls"], one["tokens"], WAYS[way].format(**names))
        for way, one in told["columns"].items()
    ]
    show([("", "COST", "CALLS", "TOKENS", ""), *rows])
    print(f"\nB less P: {signed(float(told['saved_usd']))}, {told['saved_percent']} % of B")
    show(
        (f"  {PARTS[name]}", signed(-float(usd) if name == "against" else float(usd)))
        for name, usd in told["parts"].items()
        if float(usd)
    )
    if told["estimated"]:
        print(
            f"\n{told['estimated']} looks that found nothing are counted as their job's usual call:"
            " an estimate"
        )
    if not told["looks_known"]:
        print("\nthe worker does not answer, so looks that found nothing are missing here")
    if float(told["machine_usd"]):
        print(f"\nthe local machine itself: {dollars(told['machine_usd'])}, not in P")


def signed(usd: float) -> str:
    """An amount that may have cost more than the other way."""
    return f"{'-' if usd < 0 else ''}{dollars(f'{abs(usd):.6f}')}"
