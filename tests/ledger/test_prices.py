"""Prices are dated data with a source; an unknown one stays unknown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from twotier.domain.money import Price
from twotier.errors import ConfigError
from twotier.ledger.prices import load_prices
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
    usd_per_mtok: dict[str, Decimal | str] = {
        "input": "4",
        "output": Decimal("8.5"),
        "cache_read": "0.4",
        "cache_write": "5",
        "cache_write_1h": "8",
    }
    mine = book.with_override("p", "m", usd_per_mtok=usd_per_mtok)
    expected = Price(4_000_000, 8_500_000, 400_000, 5_000_000, 8_000_000, "", "configuration")
    assert mine.price("p", "m", on=date(1999, 1, 1)) == expected
    assert mine.price("p", "m-20260101", on=TODAY) == expected
    original = book.price("p", "m", on=TODAY)
    assert original is not None
    assert original.source == "page"


def test_a_short_override_is_filled_with_upper_bounds() -> None:
    """A missing cache price must never make a call look cheaper than it can be."""
    book = load_prices("").with_override("p", "m", usd_per_mtok={"input": "2", "output": "6"})
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
    ("usd_per_mtok", "says"),
    [
        ({"input": "1"}, "no `output`"),
        ({"input": "1", "output": "2", "inptu": "3"}, "unknown key `inptu`"),
        ({"input": "one", "output": "2"}, "no amount"),
        ({"input": "-1", "output": "2"}, "no price"),
        ({"input": "NaN", "output": "2"}, "no price"),
    ],
)
def test_a_wrong_override_is_refused_and_named(usd_per_mtok: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_prices("").with_override("p", "m", usd_per_mtok=usd_per_mtok)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[price]", "not valid TOML"),
        (entry() + entry(), "twice"),
        (entry("soon"), "`since` must be a day"),
        (entry().replace('output = "2"', "output = 2.0"), "needs `output` as a string"),
        (entry().replace('source = "page"', ""), "needs `source` as a string"),
    ],
)
def test_a_wrong_price_file_is_refused_and_the_entry_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_prices(text)
