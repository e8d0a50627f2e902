"""A decision in words: the answer's headers and the log line say the same as the ledger's row."""

from __future__ import annotations

import re
from collections.abc import Sequence

from twotier.domain.money import MICROUSD_PER_USD, Attempt, Settlement

HEADER_CHARS_MAX = 2_000
_NOT_PRINTABLE = re.compile(r"[^ -~]")


def ref(attempt: Attempt) -> str:
    """The full name of the model that is asked: `provider/model`."""
    return f"{attempt.provider}/{attempt.model}"


def named(request_id: str) -> dict[str, str]:
    """The headers that name a request: ours, and the two that SDKs look for."""
    return {"x-twotier-request": request_id, "x-request-id": request_id, "request-id": request_id}


def headers(
    attempt: Attempt,
    cost_microusd: int | None,
    *,
    failures: Sequence[str] = (),
    dropped: Sequence[str] = (),
) -> dict[str, str]:
    """The answer's headers. `cost_microusd` is None while it is not settled."""
    microusd = attempt.reserved_microusd if cost_microusd is None else cost_microusd
    told = named(attempt.request_id)
    told["x-twotier-tier"] = attempt.tier
    told["x-twotier-model"] = ref(attempt)
    told["x-twotier-rule"] = attempt.rule
    told["x-twotier-cost-usd"] = f"{microusd / MICROUSD_PER_USD:.6f}" if microusd else "0.000000"
    told["x-twotier-cost"] = "reserved" if cost_microusd is None else "settled"
    if attempt.asked.mode == "batch":
        told["x-twotier-batch"] = "waits" if cost_microusd is None else "done"
    if failures:
        told["x-twotier-fallback"] = printable("; ".join(failures))
    if dropped:
        told["x-twotier-dropped"] = printable(", ".join(dropped))
    return told


def printable(text: str) -> str:
    """Text of others as a header can carry it: a client's field may have any name."""
    line = _NOT_PRINTABLE.sub("?", text[: HEADER_CHARS_MAX + 1])
    return line if len(line) <= HEADER_CHARS_MAX else line[: HEADER_CHARS_MAX - 4] + " ..."


def fields(attempt: Attempt, end: Settlement) -> dict[str, object]:
    """The log line of an attempt: identifiers and figures, never a text of the conversation.

    `status` is the upstream's, 0 if it gave none.
    """
    usage, first = end.usage, end.first_token_seconds
    return {
        "request": attempt.request_id,
        "tier": attempt.tier,
        "model": ref(attempt),
        "rule": attempt.rule,
        "dialect": attempt.dialect,
        "client": attempt.client,
        "job": attempt.job,
        "outcome": end.outcome.value,
        "status": end.upstream_status,
        "finish": end.finish,
        "settled": end.settled.value,
        "cost_microusd": end.cost_microusd,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        "first_token_seconds": None if first is None else round(first, 3),
        "seconds": round(end.total_seconds, 3),
        "waited_seconds": round(end.waited_seconds, 3),
        "bytes_out": end.bytes_out,
        "repairs": end.repairs,
        "error": end.error,
    }
