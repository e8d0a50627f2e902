"""A decision in words: the answer's headers and the log line say the same as the ledger's row."""

from __future__ import annotations

from collections.abc import Sequence

from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import TwotierError
from twotier.exchange import Exchange


def headers(exchange: Exchange, failures: Sequence[TwotierError]) -> dict[str, str]:
    """The answer's headers: the same words as in the log line and the ledger."""
    attempt = exchange.attempt
    known = exchange.observed.usage_final
    microusd = exchange.settlement().cost_microusd if known else attempt.reserved_microusd
    told = {
        "x-twotier-request": attempt.request_id,
        "x-twotier-tier": attempt.tier,
        "x-twotier-model": exchange.ref,
        "x-twotier-rule": attempt.rule,
        "x-twotier-cost-usd": f"{microusd / MICROUSD_PER_USD:.6f}",
        "x-twotier-cost": "settled" if known else "reserved",
    }
    if failures:
        told["x-twotier-fallback"] = failures[-1].message
    if exchange.dropped:
        told["x-twotier-dropped"] = ", ".join(exchange.dropped)
    return told


def fields(exchange: Exchange) -> dict[str, object]:
    """The log line of an attempt: identifiers and figures, never a text."""
    attempt, end = exchange.attempt, exchange.settlement()
    return {
        "request": attempt.request_id,
        "tier": attempt.tier,
        "model": exchange.ref,
        "rule": attempt.rule,
        "client": attempt.client,
        "job": attempt.job,
        "outcome": end.outcome.value,
        "settled": end.settled.value,
        "cost_microusd": end.cost_microusd,
        "seconds": round(end.total_seconds, 3),
        "error": end.error,
    }
