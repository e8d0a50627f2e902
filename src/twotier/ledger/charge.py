"""What one attempt comes to, however it ended: settled, estimated, void, or charged at its bound.

Pure. It knows nothing of streams; who watched one hands in what was seen.
"""

from __future__ import annotations

from msgspec.structs import replace

from twotier.domain.message import Observed, Usage
from twotier.domain.money import Attempt, Settled
from twotier.errors import StreamBrokenError, TierUnavailableError, TwotierError, UpstreamError
from twotier.ledger.cost import cost

# Tokens a model may have written that had not reached us when the stream broke.
UNSEEN_TOKENS = 64


def charge(
    attempt: Attempt, seen: Observed, *, error: TwotierError | None, expected: Usage
) -> tuple[Settled, Usage, int]:
    """How sure the cost is, of which usage, and the cost in micro-dollars.

    The provider's final usage settles. An attempt the upstream never took is void. With a partial
    usage the input is known and the output is bounded by the bytes seen, two to a token, plus what
    may have been under way. With none at all the whole reservation is charged.
    """
    if seen.usage is not None and seen.usage_final:
        return Settled.SETTLED, seen.usage, cost(seen.usage, attempt.price)
    if never_taken(error):
        return Settled.VOID, Usage(), 0
    if seen.usage is None and not attempt.price.free:
        return Settled.ESTIMATED, Usage(), attempt.reserved_microusd
    usage = seen.usage or replace(expected, output_tokens=0)
    bound = min(expected.output_tokens, -(-seen.output_bytes // 2) + UNSEEN_TOKENS)
    usage = replace(usage, output_tokens=max(usage.output_tokens, bound))
    return Settled.ESTIMATED, usage, cost(usage, attempt.price)


def never_taken(error: TwotierError | None) -> bool:
    """True where the upstream certainly did no work: nothing was sent, or it refused at once."""
    if isinstance(error, UpstreamError):
        return not error.started
    return isinstance(error, TierUnavailableError) or (
        error is not None
        and error.status in (400, 402)
        and not isinstance(error, StreamBrokenError)
    )
