"""Cost is exact up to one rounding, upwards; the worst case is worse than any case."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from tests.ledger.toys import OPUS
from twotier.domain.message import Usage
from twotier.domain.money import FREE, Price
from twotier.ledger.cost import cost, worst_case

TOKENS = st.integers(0, 2_000_000)
RATE = st.integers(0, 200_000_000)
USAGES = st.builds(Usage, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
PRICES = st.builds(Price, RATE, RATE, RATE, RATE, RATE, st.just(""), st.just(""))
COUNTS = [field.name for field in fields(Usage)]


def exact(usage: Usage, price: Price) -> Fraction:
    """The same sum, term by term, in fractions."""
    million = 1_000_000
    return sum(
        (
            Fraction(usage.input_tokens * price.input_microusd_per_mtok, million),
            Fraction(usage.output_tokens * price.output_microusd_per_mtok, million),
            Fraction(usage.cache_read_tokens * price.cache_read_microusd_per_mtok, million),
            Fraction(usage.cache_write_tokens * price.cache_write_microusd_per_mtok, million),
            Fraction(usage.cache_write_1h_tokens * price.cache_write_1h_microusd_per_mtok, million),
        ),
        Fraction(0),
    )


def test_a_published_example() -> None:
    """10,000 fresh, 2,000 out, 100,000 read, 8,000 written, on Opus 4.6, by hand: $0.2."""
    usage = Usage(10_000, 2_000, 100_000, 8_000, 0, 1_500)
    assert cost(usage, OPUS) == 50_000 + 50_000 + 50_000 + 50_000


def test_one_token_costs_at_least_one_microdollar() -> None:
    assert cost(Usage(cache_read_tokens=1), OPUS) == 1
    assert cost(Usage(), OPUS) == 0
    assert cost(Usage(1_000_000, 1_000_000), FREE) == 0


@given(USAGES, PRICES)
def test_never_below_the_exact_sum_and_less_than_one_microdollar_above(
    usage: Usage, price: Price
) -> None:
    assert 0 <= cost(usage, price) - exact(usage, price) < 1


@given(USAGES, PRICES, st.sampled_from(COUNTS), st.integers(0, 1000))
def test_more_tokens_never_cost_less(usage: Usage, price: Price, name: str, more: int) -> None:
    larger = replace(usage, **{name: getattr(usage, name) + more})
    assert cost(larger, price) >= cost(usage, price)


@given(USAGES, PRICES)
def test_the_worst_case_bounds_every_split_of_the_same_prompt(usage: Usage, price: Price) -> None:
    bound = worst_case(usage.prompt_tokens, usage.output_tokens, price=price, cache_1h=True)
    assert bound >= cost(usage, price)
    without_1h = replace(usage, cache_write_1h_tokens=0)
    bound = worst_case(without_1h.prompt_tokens, usage.output_tokens, price=price)
    assert bound >= cost(without_1h, price)


def test_the_worst_case_takes_the_one_hour_price_only_where_it_can_happen() -> None:
    assert worst_case(1_000_000, 0, price=OPUS) == 6_250_000
    assert worst_case(1_000_000, 0, price=OPUS, cache_1h=True) == 10_000_000
    assert worst_case(0, 1_000_000, price=OPUS) == 25_000_000
