"""Prices are dated data with a source; an unknown one stays unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from twotier.domain.money import Price
from twotier.domain.price import Rates
from twotier.errors import ConfigError
from twotier.ledger.prices import UnitPrice, load_prices
from twotier.ledger.seed import Seed, made
from twotier.ledger.shipped import shipped_prices

TODAY = date(2026, 3, 10)
ENTRY = """
[[price]]
provider = "p"
model = "m"
since = "{since}"
source = "page"
input = "{input}"
output = "2"
cache_read = "0.1"
cache_write = "1.25"
cache_write_1h = "2"
"""


def entry(since: str = "2026-01-01", input_usd: str = "1") -> str:
    return ENTRY.format(since=since, input=input_usd)


def extra(since: str = "2026-01-01", usd: str = "0.005") -> str:
    return f"""
[[extra]]
provider = "x"
unit = "post_read"
since = "{since}"
source = "page"
usd = "{usd}"
"""


@pytest.mark.parametrize(
    ("model", "usd_per_mtok"),
    [
        ("claude-opus-4-6", ("5", "25", "0.50", "6.25", "10")),
        ("claude-opus-4-5", ("5", "25", "0.50", "6.25", "10")),
        ("claude-opus-4-1", ("15", "75", "1.50", "18.75", "30")),
        ("claude-sonnet-4-6", ("3", "15", "0.30", "3.75", "6")),
        ("claude-sonnet-4-5", ("3", "15", "0.30", "3.75", "6")),
        ("claude-haiku-4-5", ("1", "5", "0.10", "1.25", "2")),
    ],
)
def test_the_shipped_file_has_anthropics_published_prices(
    model: str, usd_per_mtok: tuple[str, ...]
) -> None:
    """Micro-dollars per million tokens are USD per million tokens times a million."""
    price = shipped_prices().price("anthropic", model, on=TODAY)
    assert price is not None
    assert (
        price.input_microusd_per_mtok,
        price.output_microusd_per_mtok,
        price.cache_read_microusd_per_mtok,
        price.cache_write_microusd_per_mtok,
        price.cache_write_1h_microusd_per_mtok,
    ) == tuple(int(Decimal(usd) * 1_000_000) for usd in usd_per_mtok)
    assert "platform.claude.com" in price.source
    assert date.fromisoformat(price.since) <= TODAY


def test_a_dated_id_takes_the_price_of_the_id_without_its_date() -> None:
    book = shipped_prices()
    dated = book.price("anthropic", "claude-haiku-4-5-20251001", on=TODAY)
    assert dated == book.price("anthropic", "claude-haiku-4-5", on=TODAY) is not None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-opus-9"),
        ("anthropic", "claude-opus-9-20300101"),
        ("anthropic", "claude-opus-4-6-fast"),
        ("anthropic", "claude-opus-4-6-2026010"),
        ("openai", "claude-opus-4-6"),
    ],
)
def test_an_unknown_model_has_no_price(provider: str, model: str) -> None:
    """Neither free nor guessed: None, which the caller must refuse."""
    assert shipped_prices().price(provider, model, on=TODAY) is None


def test_the_price_in_force_on_the_day_is_taken() -> None:
    """Several dated entries for one model, in any order in the file."""
    book = load_prices(entry("2026-02-01", "3") + entry("2026-01-01", "9"))
    assert book.price("p", "m", on=date(2025, 12, 31)) is None
    before = book.price("p", "m", on=date(2026, 1, 31))
    after = book.price("p", "m", on=date(2026, 2, 1))
    assert before is not None
    assert after is not None
    assert before.input_microusd_per_mtok == 9_000_000
    assert after.input_microusd_per_mtok == 3_000_000


def test_an_exact_dated_entry_wins_over_the_rule() -> None:
    book = load_prices(entry() + entry("2026-01-01", "7").replace('"m"', '"m-20260101"'))
    exact = book.price("p", "m-20260101", on=TODAY)
    assert exact is not None
    assert exact.input_microusd_per_mtok == 7_000_000


def test_the_owners_price_wins_on_every_day_and_leaves_the_old_book_alone() -> None:
    book = load_prices(entry())
    terms: dict[str, Decimal | str | int] = {
        "input": "4",
        "output": Decimal("8.5"),
        "cache_read": "0.4",
        "cache_write": "5",
        "cache_write_1h": "8",
    }
    mine = book.with_override("p", "m", terms=terms)
    expected = Price(4_000_000, 8_500_000, 400_000, 5_000_000, 8_000_000, "", "configuration")
    assert mine.price("p", "m", on=date(1999, 1, 1)) == expected
    assert mine.price("p", "m-20260101", on=TODAY) == expected
    original = book.price("p", "m", on=TODAY)
    assert original is not None
    assert original.source == "page"


def test_a_short_override_is_filled_with_upper_bounds() -> None:
    """A missing cache price must never make a call look cheaper than it can be."""
    book = load_prices("").with_override("p", "m", terms={"input": "2", "output": "6"})
    price = book.price("p", "m", on=TODAY)
    assert price is not None
    assert price.cache_read_microusd_per_mtok == 2_000_000
    assert price.cache_write_microusd_per_mtok == 2_500_000
    assert price.cache_write_1h_microusd_per_mtok == 4_000_000


def test_a_price_finer_than_we_count_is_rounded_up() -> None:
    price = load_prices(entry(input_usd="0.00000015")).price("p", "m", on=TODAY)
    assert price is not None
    assert price.input_microusd_per_mtok == 1


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"input": "1"}, "no `output`"),
        ({"input": "1", "output": "2", "inptu": "3"}, "unknown key `inptu`"),
        ({"input": "one", "output": "2"}, "no amount"),
        ({"input": "-1", "output": "2"}, "no price"),
        ({"input": "NaN", "output": "2"}, "no price"),
        ({"input": [], "output": "2"}, "no amount"),
        ({"input": "1", "output": "2", "batch_percent": "50"}, "no whole number"),
        ({"input": "1", "output": "2", "us_percent": True}, "no whole number"),
        ({"input": "1", "output": "2", "fast_percent": -1}, "no whole number"),
        ({"input": "1", "output": "2", "long_above_tokens": 9}, "no `long_input_percent`"),
    ],
)
def test_a_wrong_override_is_refused_and_named(terms: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_prices("").with_override("p", "m", terms=terms)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[price]", "not valid TOML"),
        (entry() + entry(), "twice"),
        (entry("soon"), "`since` must be a day"),
        (entry().replace('output = "2"', "output = 2.0"), "needs `output` as a string"),
        (entry().replace('source = "page"', ""), "needs `source` as a string"),
        (extra("2026-01-01") + extra("2026-01-01"), "post_read since 2026-01-01 twice"),
        (extra("soon"), "`since` must be a day"),
        (extra().replace('"0.005"', '"half"'), "no amount"),
    ],
)
def test_a_wrong_price_file_is_refused_and_the_entry_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_prices(text)


TERMS: dict[str, Any] = {
    "input": "2",
    "output": "10",
    "cache_read": "0.2",
    "cache_write": "2.5",
    "cache_write_1h": "4",
}


def test_an_owner_can_say_all_of_a_price() -> None:
    """Long prompts, other modes, places and uses, in per cent of the rates and in USD each."""
    terms = TERMS | {
        "web_search": "0.01",
        "request": Decimal("0.0000001"),
        "batch_percent": 50,
        "us_percent": 110,
        "long_above_tokens": 200_000,
        "long_input_percent": 200,
        "long_output_percent": 150,
    }
    price = load_prices("").with_override("P", "M", terms=terms).price("p", "m", on=TODAY)
    assert price is not None
    assert price.base == Rates(2_000_000, 10_000_000, 200_000, 2_500_000, 4_000_000)
    long = Rates(4_000_000, 15_000_000, 400_000, 5_000_000, 8_000_000)
    assert price.steps == ((200_000, long),)
    half = Rates(1_000_000, 5_000_000, 100_000, 1_250_000, 2_000_000)
    long_half = Rates(2_000_000, 7_500_000, 200_000, 2_500_000, 4_000_000)
    assert price.modes == (("batch", ((0, half), (200_000, long_half))),)
    assert dict(price.fees) == {"web_search": 10_000, "request": 1}  # rounded up
    assert price.places == (("us", 110),)


def test_the_newer_of_ours_and_the_public_list_is_taken_and_ours_on_a_tie() -> None:
    listed = made(
        [
            {
                "id": "p",
                "name": "P",
                "models": [
                    {
                        "id": "m",
                        "match": {"equals": "m"},
                        "prices": [
                            {"prices": {"input_mtok": 5, "output_mtok": 5}},
                            {
                                "constraint": {"start_date": "2026-02-01"},
                                "prices": {"input_mtok": 7, "output_mtok": 7},
                            },
                            {
                                "constraint": {"start_date": "2026-03-01"},
                                "prices": {"input_mtok": 8, "output_mtok": 8},
                            },
                        ],
                    }
                ],
            }
        ],
        origin="o",
        day="",
        sha256="",
    )
    book = replace(load_prices(entry("2026-02-01", "1")), seed=Seed(listed))

    def costs(month: int) -> int:
        price = book.price("p", "m", on=date(2026, month, 15))
        assert price is not None
        return price.input_microusd_per_mtok // 1_000_000

    assert [costs(month) for month in (1, 2, 3)] == [5, 1, 8]
    mine = book.with_override("p", "m", terms={"input": 3, "output": 3})
    assert mine.price("p", "m", on=TODAY) == mine.override("P", "m")
    assert list(mine.models()) == [("p", "m")]
    assert list(load_prices(entry()).models()) == [("p", "m")]


def test_ours_for_anthropic_are_those_of_the_public_list_and_win() -> None:
    """Two sources, one price; a difference means that one of them is wrong, or has news."""
    book = shipped_prices()
    assert book.seed is not None
    day = date(2026, 11, 30)
    for provider, model in book.dated:
        ours, listed = book.price(provider, model, on=day), book.seed.price(provider, model, on=day)
        assert ours is not None
        assert listed is not None
        assert "platform.claude.com" in ours.source
        assert (ours.ladder, dict(ours.fees), ours.places) == (
            listed.ladder,
            dict(listed.fees),
            listed.places,
        )
        assert listed.of_mode("batch") in (None, ours.of_mode("batch"))


def test_a_long_prompt_cost_more_until_the_thirteenth_of_march() -> None:
    book = shipped_prices()
    before = book.price("anthropic", "claude-opus-4-6", on=date(2026, 3, 12))
    after = book.price("anthropic", "claude-opus-4-6", on=date(2026, 3, 13))
    assert before is not None
    assert after is not None
    long = Rates(10_000_000, 37_500_000, 1_000_000, 12_500_000, 20_000_000)
    assert before.steps == ((200_000, long),)
    assert after.steps == ()


def test_what_is_no_token_has_a_price_too() -> None:
    book = load_prices(extra("2026-02-01") + extra("2026-03-01", "0.004"))
    assert book.unit_price("x", "post_read", on=date(2026, 1, 1)) is None
    assert book.unit_price("x", "post_write", on=TODAY) is None
    old = book.unit_price("x", "post_read", on=date(2026, 2, 1))
    assert old == UnitPrice(5_000, "2026-02-01", "page")
    mine = book.with_unit("X", "post_read", usd="0.001")
    assert mine.unit_price("x", "post_read", on=TODAY) == UnitPrice(1_000, "", "configuration")
    shipped = shipped_prices().unit_price("x", "post_read", on=date(2026, 11, 30))
    assert shipped is not None
    assert shipped.microusd == 5_000


@pytest.mark.parametrize("ending", ["-20260101", "-2026-01-01", "@20260101"])
def test_an_id_may_end_with_its_date_in_any_form(ending: str) -> None:
    book = load_prices(entry())
    assert book.price("p", f"m{ending}", on=TODAY) == book.price("p", "m", on=TODAY) is not None
