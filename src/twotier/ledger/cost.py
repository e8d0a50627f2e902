"""What an attempt cost, and the most it can cost. Pure, integers only.

A price in micro-dollars per million tokens times tokens is a number of millionths of a
micro-dollar, and a place of inference takes per cent of that, so sums are kept in units of both and
are exact; they are divided and rounded up once per attempt. Rounding up keeps every bound a bound,
and is at most one micro-dollar more than the exact sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twotier.domain.message import Usage
from twotier.domain.money import Price
from twotier.domain.price import PERCENT, PLAIN, Asked, Ladder, Rates

TOKENS_PER_PRICE = 1_000_000
_UNIT = TOKENS_PER_PRICE * PERCENT


@dataclass(frozen=True, slots=True)
class Bill:
    """The cost of an attempt in micro-dollars, and what of it were fees.

    `above_tokens` is the step of the price that a long prompt reached, 0 for the first.
    """

    microusd: int = 0
    fees_microusd: int = 0
    above_tokens: int = 0


NOTHING = Bill()


def cost(usage: Usage, price: Price) -> int:
    """The cost in micro-dollars. Reasoning tokens are a part of the output, not beside it."""
    return bill(usage, price).microusd


def bill(usage: Usage, price: Price) -> Bill:
    """The cost and what it is made of: the rates of this mode and context, the place, the fees.

    A mode without a price of its own costs what the standard does.
    """
    if price.free:
        return NOTHING
    ladder = price.of_mode(usage.mode) or price.ladder
    above, rates = _step(ladder, usage.prompt_tokens)
    tokens = (
        usage.input_tokens * rates.input
        + usage.output_tokens * rates.output
        + usage.cache_read_tokens * rates.cache_read
        + usage.cache_write_tokens * rates.cache_write
        + usage.cache_write_1h_tokens * rates.cache_write_1h
    )
    fees = _fees(price, usage.uses)
    percent = dict(price.places).get(usage.place, PERCENT)
    return Bill(_rounded_up(tokens * percent + fees * _UNIT), fees, above)


def worst_case(
    prompt_tokens_max: int,
    output_tokens_max: int,
    *,
    price: Price,
    asked: Asked = PLAIN,
    window_tokens: int = 0,
) -> int:
    """An upper bound in micro-dollars, for the reservation.

    Every prompt token is counted at the dearest way to read it: we cannot know what the provider
    will find in its cache. A server tool has the model read again, at most the window each time
    (0: it is not known). Every step, mode and place is counted that the answer may come to.
    """
    if price.free:
        return 0
    tokens = read_tokens_max(
        prompt_tokens_max, output_tokens_max, asked=asked, window_tokens=window_tokens
    )
    dearest = max(
        tokens * _dearest(rates, asked) + output_tokens_max * rates.output
        for ladder in _ladders(price, asked)
        for above, rates in ladder
        if not above or tokens > above
    )
    percent = max(_percents(price, asked))
    fees = _fees(price, (*asked.uses, *asked.always))
    return _rounded_up(dearest * percent + fees * _UNIT)


def read_tokens_max(
    prompt_tokens_max: int, output_tokens_max: int, *, asked: Asked, window_tokens: int = 0
) -> int:
    """The most input tokens that one answer is charged for.

    A server tool's result, and what the model wrote to call it, are read with all of the prompt
    once more, so an answer of several turns is charged for their sum.
    """
    total = prompt_tokens_max
    for turn in range(1, asked.turns):
        longest = prompt_tokens_max + output_tokens_max + turn * asked.brought_tokens
        total += min(longest, window_tokens) if window_tokens else longest
    return total


def _ladders(price: Price, asked: Asked) -> Iterator[Ladder]:
    """The rates of every mode that this request may be served in. A batch is never anything else,
    another mode may turn out not to be there now.
    """
    yield price.of_mode(asked.mode) or price.ladder
    if asked.mode != "batch":
        yield price.ladder
    for mode in asked.maybe:
        if ladder := price.of_mode(mode):
            yield ladder


def _percents(price: Price, asked: Asked) -> Iterator[int]:
    """Without a word the account's default place decides, which may be any."""
    for place, percent in price.places:
        if asked.place in ("", place):
            yield percent
    yield PERCENT


def _dearest(rates: Rates, asked: Asked) -> int:
    written_1h = rates.cache_write_1h if asked.cache_1h else 0
    return max(rates.input, rates.cache_read, rates.cache_write, written_1h)


def _step(ladder: Ladder, tokens: int) -> tuple[int, Rates]:
    """The rates of a prompt of so many tokens."""
    found = ladder[0]
    for step in ladder[1:]:
        if tokens > step[0]:
            found = step
    return found


def _fees(price: Price, uses: Iterable[tuple[str, int]]) -> int:
    if not price.fees:
        return 0
    each = dict(price.fees)
    return each.get("request", 0) + sum(each.get(name, 0) * count for name, count in uses)


def _rounded_up(units: int) -> int:
    return -(-units // _UNIT)
