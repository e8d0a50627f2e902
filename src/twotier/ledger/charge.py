"""What one attempt comes to, however it ended: settled, estimated, void, or charged at its bound.

Pure. It knows nothing of streams; who watched one hands in what was seen.
"""

from __future__ import annotations

from msgspec.structs import replace

from twotier.domain.message import Observed, Usage
from twotier.domain.money import Attempt, Settled
from twotier.domain.price import PLAIN, STANDARD, Asked
from twotier.errors import StreamBrokenError, TierUnavailableError, TwotierError, UpstreamError
from twotier.ledger.cost import NOTHING, Bill, bill

# Tokens a model may have written that had not reached us when the stream broke.
UNSEEN_TOKENS = 64


def charge(
    attempt: Attempt, seen: Observed, *, error: TwotierError | None, expected: Usage
) -> tuple[Settled, Usage, Bill]:
    """How sure the cost is, of which usage, and the cost.

    The provider's final usage settles. An attempt the upstream never took is void. With a partial
    usage the input is known and the output is bounded by the bytes seen, two to a token, plus what
    may have been under way. With none at all the whole reservation is charged, and also where the
    provider's own tools may have had the model read more than its first count says.
    """
    if seen.usage is not None and seen.usage_final:
        usage = completed(seen.usage, attempt.asked)
        return Settled.SETTLED, usage, bill(usage, attempt.price)
    if never_taken(error):
        return Settled.VOID, Usage(), NOTHING
    if (seen.usage is None or attempt.asked.turns > 1) and not attempt.price.free:
        return Settled.ESTIMATED, Usage(), Bill(attempt.reserved_microusd)
    usage = seen.usage or replace(expected, output_tokens=0)
    most = min(expected.output_tokens, -(-seen.output_bytes // 2) + UNSEEN_TOKENS)
    usage = replace(usage, output_tokens=max(usage.output_tokens, most))
    usage = completed(usage, attempt.asked)
    return Settled.ESTIMATED, usage, bill(usage, attempt.price)


def completed(usage: Usage, asked: Asked) -> Usage:
    """The usage with what the request says where the answer is silent: how and where it was served,
    and uses that no answer counts. Who asked for a cheaper mode and hears nothing did not get it.
    """
    if asked == PLAIN:
        return usage
    mode = usage.mode or (STANDARD if asked.mode == "flex" else asked.mode)
    if asked.mode == "batch":  # never served as anything else, whatever its answer says
        mode = asked.mode
    # What may run anywhere costs the same wherever it ran.
    place = asked.place if asked.place == "global" else usage.place or asked.place
    counted = {name for name, _ in usage.uses}
    uncounted = tuple(use for use in asked.always if use[0] not in counted)
    return replace(usage, mode=mode, place=place, uses=usage.uses + uncounted)


def never_taken(error: TwotierError | None) -> bool:
    """True where the upstream certainly did no work: nothing was sent, or it refused at once."""
    if isinstance(error, UpstreamError):
        return not error.started
    return isinstance(error, TierUnavailableError) or (
        error is not None
        and error.status in (400, 402)
        and not isinstance(error, StreamBrokenError)
    )
