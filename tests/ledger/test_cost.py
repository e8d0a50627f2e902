"""Cost is exact up to one rounding, upwards; the worst case is worse than any case."""

from __future__ import annotations

import itertools
from dataclasses import replace as with_
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.ledger.toys import OPUS
from twotier.domain.message import Observed, Usage
from twotier.domain.money import FREE, Attempt, Price, Settled
from twotier.domain.price import Asked, Ladder, Rates
from twotier.ledger.charge import charge
from twotier.ledger.cost import Bill, bill, cost, read_tokens_max, worst_case

TOKENS = st.integers(0, 2_000_000)
RATE = st.integers(0, 200_000_000)
COUNTS = [
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
]
MODES = ["", "standard", "batch", "flex", "priority", "fast"]
PLACES = ["", "us", "global"]
TOOLS = ["web_search", "web_fetch", "code_execution"]
USES = st.dictionaries(st.sampled_from(TOOLS), st.integers(0, 20), max_size=3).map(
    lambda uses: tuple(uses.items())
)
USAGES = st.builds(
    Usage,
    *[TOKENS] * 6,
    USES,
    st.sampled_from(MODES),
    st.sampled_from(PLACES),
)
RATES = st.builds(Rates, RATE, RATE, RATE, RATE, RATE)
STEPS = st.lists(st.tuples(st.integers(1, 1_500_000), RATES), max_size=2).map(
    lambda steps: tuple(sorted(steps, key=lambda step: step[0]))
)
LADDERS = st.builds(lambda first, steps: ((0, first), *steps), RATES, STEPS)
PRICES = st.builds(
    Price,
    *[RATE] * 5,
    st.just(""),
    st.just(""),
    steps=STEPS,
    modes=st.dictionaries(st.sampled_from(MODES[2:]), LADDERS).map(lambda one: tuple(one.items())),
    fees=st.dictionaries(st.sampled_from([*TOOLS, "request"]), st.integers(0, 50_000)).map(
        lambda fees: tuple(fees.items())
    ),
    places=st.dictionaries(st.just("us"), st.integers(100, 150)).map(
        lambda one: tuple(one.items())
    ),
)
PLAIN_PRICES = st.builds(Price, *[RATE] * 5, st.just(""), st.just(""))
FULL = with_(
    OPUS,
    steps=((200_000, Rates(10_000_000, 37_500_000, 1_000_000, 12_500_000, 20_000_000)),),
    modes=(
        ("batch", ((0, Rates(2_500_000, 12_500_000, 250_000, 3_125_000, 5_000_000)),)),
        ("fast", ((0, Rates(30_000_000, 150_000_000, 3_000_000, 37_500_000, 60_000_000)),)),
    ),
    fees=(("web_search", 10_000),),
    places=(("us", 110),),
)


def exact(usage: Usage, price: Price) -> Fraction:
    """The same sum, term by term, in fractions, found in another way."""
    ladder: Ladder = dict(price.modes).get(usage.mode, price.ladder)
    rates = [one for above, one in ladder if not above or usage.prompt_tokens > above][-1]
    tokens = sum(
        (
            Fraction(usage.input_tokens * rates.input, 1_000_000),
            Fraction(usage.output_tokens * rates.output, 1_000_000),
            Fraction(usage.cache_read_tokens * rates.cache_read, 1_000_000),
            Fraction(usage.cache_write_tokens * rates.cache_write, 1_000_000),
            Fraction(usage.cache_write_1h_tokens * rates.cache_write_1h, 1_000_000),
        ),
        Fraction(0),
    )
    fees = dict(price.fees)
    uses = sum(fees.get(name, 0) * count for name, count in usage.uses)
    percent = dict(price.places).get(usage.place, 100)
    return tokens * percent / 100 + uses + fees.get("request", 0)


def test_a_published_example() -> None:
    """10,000 fresh, 2,000 out, 100,000 read, 8,000 written, on Opus 4.6, by hand: $0.2."""
    usage = Usage(10_000, 2_000, 100_000, 8_000, 0, 1_500)
    assert cost(usage, OPUS) == 50_000 + 50_000 + 50_000 + 50_000


def test_one_token_costs_at_least_one_microdollar() -> None:
    assert cost(Usage(cache_read_tokens=1), OPUS) == 1
    assert cost(Usage(), OPUS) == 0
    assert cost(Usage(1_000_000, 1_000_000), FREE) == 0


def test_a_long_prompt_costs_its_step_all_of_it() -> None:
    """At 200,000 tokens still the first step, cached ones included; one more, and all is dearer."""
    usage = Usage(100_000, 1_000, 100_000)
    assert bill(usage, FULL) == Bill(500_000 + 25_000 + 50_000)
    longer = replace(usage, input_tokens=100_001)
    assert bill(longer, FULL) == Bill(1_000_010 + 37_500 + 100_000, above_tokens=200_000)


def test_a_mode_has_rates_of_its_own_and_without_them_the_standard_ones() -> None:
    usage = Usage(1_000_000, 0)
    assert cost(replace(usage, mode="batch"), FULL) == 2_500_000
    assert cost(replace(usage, mode="fast"), FULL) == 30_000_000
    assert cost(replace(usage, mode="standard"), FULL) == cost(usage, FULL) == 10_000_000
    assert cost(replace(usage, mode="flex"), FULL) == 10_000_000


def test_a_place_takes_its_percent_of_the_tokens_and_not_of_the_fees() -> None:
    usage = Usage(100_000, 0, uses=(("web_search", 3), ("web_fetch", 9)), place="us")
    assert bill(usage, FULL) == Bill(550_000 + 30_000, fees_microusd=30_000)
    assert cost(replace(usage, place="global"), FULL) == 530_000


def test_a_fee_for_each_request_is_in_every_bill() -> None:
    price = with_(FREE, fees=(("request", 5_000),))
    assert not price.free
    assert cost(Usage(10, 10), price) == 5_000
    assert worst_case(10, 10, price=price) == 5_000


def test_what_costs_only_in_one_mode_is_not_free() -> None:
    assert not with_(FREE, modes=(("fast", ((0, OPUS.base),)),)).free
    assert not with_(FREE, steps=((1, OPUS.base),)).free
    assert FREE.plain
    assert not FULL.plain


@given(USAGES, PRICES)
def test_never_below_the_exact_sum_and_less_than_one_microdollar_above(
    usage: Usage, price: Price
) -> None:
    assert 0 <= cost(usage, price) - exact(usage, price) < 1


@given(USAGES, PLAIN_PRICES, st.sampled_from(COUNTS), st.integers(0, 1000))
def test_more_tokens_never_cost_less(usage: Usage, price: Price, name: str, more: int) -> None:
    larger = replace(usage, **{name: getattr(usage, name) + more})
    assert cost(larger, price) >= cost(usage, price)


@st.composite
def asked_and_given(draw: st.DrawFn) -> tuple[Asked, Usage, int, int]:
    """A request, an answer that keeps its limits, and the bounds of its prompt and output."""
    mode = draw(st.sampled_from(["", "flex", "priority", "fast", "batch"]))
    maybe = draw(st.sampled_from([(), ("priority",)])) if not mode else ()
    place = draw(st.sampled_from(PLACES))
    limits = draw(USES)
    turns = draw(st.integers(1, 4))
    asked = Asked(
        mode=mode,
        maybe=maybe,
        place=place,
        cache_1h=draw(st.booleans()),
        uses=limits,
        always=draw(st.sampled_from([(), (("request_tool", 1),), (("code_execution", 1),)])),
        turns=turns,
        brought_tokens=draw(st.integers(0, 50_000)) if turns > 1 else 0,
    )
    prompt, output = draw(st.integers(0, 600_000)), draw(st.integers(0, 64_000))
    total = read_tokens_max(prompt, output, asked=asked)
    cuts = sorted(draw(st.lists(st.integers(0, total), min_size=4, max_size=4)))
    parts = [most - least for least, most in itertools.pairwise([0, *cuts])]
    if not asked.cache_1h:
        parts[3] = 0
    served = ["batch"] if mode == "batch" else ["", "standard", mode, *maybe]
    # Without a word of the request the account decides where it runs.
    where = {"": PLACES, "us": ["", "us"], "global": PLACES}[place]
    usage = Usage(
        input_tokens=parts[0],
        output_tokens=draw(st.integers(0, output)),
        cache_read_tokens=parts[1],
        cache_write_tokens=parts[2],
        cache_write_1h_tokens=parts[3],
        uses=tuple((name, draw(st.integers(0, most))) for name, most in limits),
        mode=draw(st.sampled_from(served)),
        place=draw(st.sampled_from(where)),
    )
    return asked, usage, prompt, output


@given(asked_and_given(), PRICES)
def test_settled_is_never_more_than_reserved_where_the_provider_keeps_the_limits(
    case: tuple[Asked, Usage, int, int], price: Price
) -> None:
    """Whatever is read from caches or written to them, however long, wherever and however it is
    served, and whatever server tools it used.
    """
    asked, usage, prompt, output = case
    assume(not price.free)
    reserved = worst_case(prompt, output, price=price, asked=asked)
    attempt = Attempt("a", "r", "t", "p", "m", "m", "rule", price, reserved, asked=asked)
    seen = Observed(usage=usage, usage_final=True)
    settled, _, made = charge(attempt, seen, error=None, expected=Usage(prompt, output))
    assert settled is Settled.SETTLED
    assert made.microusd <= reserved


def test_the_worst_case_takes_the_one_hour_price_only_where_it_can_happen() -> None:
    assert worst_case(1_000_000, 0, price=OPUS) == 6_250_000
    assert worst_case(1_000_000, 0, price=OPUS, asked=Asked(cache_1h=True)) == 10_000_000
    assert worst_case(0, 1_000_000, price=OPUS) == 25_000_000


def test_the_worst_case_takes_only_the_steps_a_prompt_can_reach() -> None:
    """And the place too, which the account decides unless the request does."""
    here = Asked(place="global")
    assert worst_case(200_000, 0, price=FULL, asked=here) == 1_250_000
    assert worst_case(200_001, 0, price=FULL, asked=here) == 2_500_013
    assert worst_case(200_000, 0, price=FULL) == 1_375_000


def test_a_batch_is_reserved_at_its_own_price_and_another_mode_may_not_be_there() -> None:
    def at(mode: str, *maybe: str) -> int:
        asked = Asked(mode=mode, maybe=maybe, place="global")
        return worst_case(0, 1_000_000, price=FULL, asked=asked)

    assert at("batch") == 12_500_000
    assert at("fast") == at("", "fast") == 150_000_000
    assert at("") == at("flex") == at("", "priority") == 25_000_000


def test_a_server_tool_has_the_prompt_read_again_with_what_it_brought() -> None:
    """Two searches of 20,000 tokens each: three turns, the later ones with the output so far."""
    asked = Asked(uses=(("web_search", 2),), turns=3, brought_tokens=20_000, place="global")
    read = 1_000 + (1_000 + 500 + 20_000) + (1_000 + 500 + 40_000)
    assert read_tokens_max(1_000, 500, asked=asked) == read
    bound = worst_case(1_000, 500, price=FULL, asked=asked)
    assert bound == read * 625 // 100 + 500 * 25 + 2 * 10_000
    # No turn reads more than the window holds.
    assert read_tokens_max(1_000, 500, asked=asked, window_tokens=30_000) == 1_000 + 21_500 + 30_000
