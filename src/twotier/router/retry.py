"""Whether the same tier is asked again for the same request, and how long after.

Only before the first byte, and only what is safe: the upstream refused in its own words because it
is overloaded, limited or broken for the moment, and so has neither worked nor charged. What may
have begun is not sent twice, nor is what nobody listened to: there the breaker speaks.

Delays double, with jitter, so that requests which failed together do not come back together; the
upstream's own `retry-after` goes before. A wait that does not fit what is left of the request's
time is handed on to the client. And because clients and upstreams retry as well, ours are a share
of all requests (`RetryBudget`): trouble must not become a storm.

Pure: time and chance are handed in.
"""

from __future__ import annotations

import msgspec

from twotier.errors import TwotierError, UpstreamError

TRIES_MAX = 2  # at one tier
DELAY_SECONDS_FIRST = 0.5
DELAY_SECONDS_MAX = 8.0
# Where the caller set no deadline: somebody waits at a keyboard.
PATIENCE_SECONDS = 10.0

RETRY_SHARE = 0.2
RETRIES_SAVED_MAX = 10.0
RETRIES_AT_START = 3.0

# 429 limited, 503 and 529 overloaded, 500, 502 and 504 broken: said before any work was done.
PASSING = frozenset({429, 500, 502, 503, 504, 529})


class Wait(msgspec.Struct, frozen=True):
    """How long until the tier is asked again; None for not at all.

    `spent`: another try would have been safe, and we have none left. Then a client should not try
    either.
    """

    seconds: float | None
    spent: bool = False


NEVER = Wait(None)
SPENT = Wait(None, spent=True)


def passing(error: TwotierError) -> bool:
    """Whether the same request may do better in a moment, and asking again is safe."""
    return (
        isinstance(error, UpstreamError)
        and not error.started
        and error.upstream_status in PASSING
        and not error.billing  # OpenAI says 429 there too
    )


def wait_after(
    error: TwotierError, *, tries: int, left_seconds: float, budget: RetryBudget, random: float
) -> Wait:
    """What to do after so many `tries` at one tier. `random` is in [0, 1).

    Takes a retry from the budget if there is one to be made.
    """
    if not passing(error):
        return NEVER
    if tries >= TRIES_MAX:
        return SPENT
    seconds = delay_seconds(tries, error.retry_after_seconds, random=random)
    if seconds > left_seconds:
        return NEVER
    return Wait(seconds) if budget.take() else SPENT


def delay_seconds(tries: int, told_seconds: float | None, *, random: float) -> float:
    """The upstream's own wait and a little more, else doubling from half a second.

    Never shorter than half its nominal length: a retry at once would meet the same trouble.
    """
    nominal = min(DELAY_SECONDS_FIRST * 2.0 ** (tries - 1), DELAY_SECONDS_MAX)
    if told_seconds is not None:
        return told_seconds + nominal * random / 2
    return nominal * (1.0 + random) / 2


class RetryBudget:
    """A bucket of tokens: every request puts in a share of one, every retry takes one out."""

    def __init__(self) -> None:
        self._saved = RETRIES_AT_START

    def earn(self) -> None:
        """A request has come."""
        self._saved = min(self._saved + RETRY_SHARE, RETRIES_SAVED_MAX)

    def take(self) -> bool:
        """One retry, if it can be afforded."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
