"""A decision in words: the answer's headers and the log line say the same as the ledger's row."""

from __future__ import annotations

from collections.abc import Sequence

from twotier.domain.money import MICROUSD_PER_USD, Attempt, Settlement


def ref(attempt: Attempt) -> str:
    """The full name of the model that is asked: `provider/model`."""
    return f"{attempt.provider}/{attempt.model}"


def headers(
    attempt: Attempt,
    cost_microusd: int | None,
    *,
    failures: Sequence[str] = (),
    dropped: Sequence[str] = (),
) -> dict[str, str]:
    """The answer's headers. `cost_microusd` is None while it is not settled."""
    microusd = attempt.reserved_microusd if cost_microusd is None else cost_microusd
    told = {
        "x-twotier-request": attempt.request_id,
        "x-twotier-tier": attempt.tier,
        "x-twotier-model": ref(attempt),
        "x-twotier-rule": attempt.rule,
        "x-twotier-cost-usd": f"{microusd / MICROUSD_PER_USD:.6f}",
        "x-twotier-cost": "reserved" if cost_microusd is None else "settled",
    }
    if failures:
        told["x-twotier-fallback"] = "; ".join(failures)
    if dropped:
        told["x-twotier-dropped"] = ", ".join(dropped)
    return told


def fields(attempt: Attempt, end: Settlement) -> dict[str, object]:
    """The log line of an attempt: identifiers and figures, never a text of the conversation."""
    return {
        "request": attempt.request_id,
        "tier": attempt.tier,
        "model": ref(attempt),
        "rule": attempt.rule,
        "client": attempt.client,
        "job": attempt.job,
        "outcome": end.outcome.value,
        "settled": end.settled.value,
        "cost_microusd": end.cost_microusd,
        "seconds": round(end.total_seconds, 3),
        "error": end.error,
    }
