"""What a batch comes to in the ledger, by what became of its request. Pure."""

from __future__ import annotations

from twotier.domain.batch import Result
from twotier.domain.message import Observed, Usage
from twotier.domain.money import Attempt, Outcome, Settled, Settlement
from twotier.errors import StreamBrokenError
from twotier.ledger.charge import charge
from twotier.protocols.anthropic_messages import observe_whole

WHY = {
    "errored": "the batch could not answer it",
    "canceled": "the batch was cancelled before it was answered",
    "expired": "the batch expired before it was answered",
}


def settlement_of(
    attempt: Attempt, result: Result | None, *, expected: Usage, seconds: float
) -> Settlement:
    """An answer is charged by its own usage at batch rates, and nothing else is paid for.

    Without a result nobody knows what it cost, so all of the reservation is charged; the same for
    an answer whose usage cannot be read.
    """
    if result is None:
        error = "its provider does not know the batch any more; charged in full"
        cost = attempt.reserved_microusd
        return Settlement(Settled.UNKNOWN, Outcome.ERROR, cost, error=error, total_seconds=seconds)
    if result.kind != "succeeded":
        error = WHY[result.kind]
        ended = Outcome.ERROR if result.kind == "errored" else Outcome.CANCELLED
        return Settlement(
            Settled.VOID,
            ended,
            0,
            error=error,
            upstream_status=result.status,
            total_seconds=seconds,
        )
    try:
        seen, error = observe_whole(result.body), ""
    except StreamBrokenError as exc:
        seen, error = Observed(), exc.noted
    settled, usage, bill = charge(attempt, seen, error=None, expected=expected)
    return Settlement(
        settled=settled,
        outcome=Outcome.ERROR if error else Outcome.OK,
        cost_microusd=bill.microusd,
        fees_microusd=bill.fees_microusd,
        above_tokens=bill.above_tokens,
        usage=usage,
        model_served=seen.model or attempt.model,
        error=error,
        upstream_status=result.status,
        total_seconds=seconds,
        finish=seen.finish or "",
    )
