"""What an attempt cost, and the most it can cost. Pure, integers only.

A price in micro-dollars per million tokens times tokens is a number of millionths of a
micro-dollar, so the sum is exact; it is divided and rounded up once per attempt. Rounding up
keeps every bound a bound, and is at most one micro-dollar more than the exact sum.
"""

from __future__ import annotations

from twotier.domain.message import Usage
from twotier.domain.money import Price

TOKENS_PER_PRICE = 1_000_000


def cost(usage: Usage, price: Price) -> int:
    """The cost in micro-dollars. Reasoning tokens are a part of the output, not beside it."""
    if price.free:
        return 0
    return _rounded_up(
        usage.input_tokens * price.input_microusd_per_mtok
        + usage.output_tokens * price.output_microusd_per_mtok
        + usage.cache_read_tokens * price.cache_read_microusd_per_mtok
        + usage.cache_write_tokens * price.cache_write_microusd_per_mtok
        + usage.cache_write_1h_tokens * price.cache_write_1h_microusd_per_mtok
    )


def worst_case(
    prompt_tokens_max: int, output_tokens_max: int, *, price: Price, cache_1h: bool = False
) -> int:
    """An upper bound in micro-dollars, for the reservation.

    Every prompt token is counted at the dearest way to read it: we cannot know what the provider
    will find in its cache. `cache_1h` says that the body may ask for one-hour cache writes.
    """
    if price.free:
        return 0
    dearest = max(
        price.input_microusd_per_mtok,
        price.cache_read_microusd_per_mtok,
        price.cache_write_microusd_per_mtok,
        price.cache_write_1h_microusd_per_mtok if cache_1h else 0,
    )
    return _rounded_up(
        prompt_tokens_max * dearest + output_tokens_max * price.output_microusd_per_mtok
    )


def _rounded_up(microusd_millionths: int) -> int:
    return -(-microusd_millionths // TOKENS_PER_PRICE)
