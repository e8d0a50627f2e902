"""The public list of prices: what of it is kept, and what a price of it means on a day."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from twotier.domain.price import Price, Rates
from twotier.errors import ConfigError
from twotier.ledger.seed import Seed, made, read, write
from twotier.ledger.shipped import shipped_seed

TODAY = date(2026, 11, 30)
PLAIN = {"input_mtok": 2, "output_mtok": 8}


def listed(*models: dict[str, Any], vendor: str = "p", **fields: Any) -> Seed:
    raw = [{"id": vendor, "name": "The P", "models": models, **fields}]
    return Seed(made(raw, origin="list", day="2026-11-30", sha256="aa"))


def model(prices: Any = PLAIN, id_: str = "m", **fields: Any) -> dict[str, Any]:
    return {"id": id_, "match": {"equals": id_}, "prices": prices, **fields}


def price(seed: Seed, name: str = "m", *, vendor: str = "p", on: date = TODAY) -> Price:
    found = seed.price(vendor, name, on=on)
    assert found is not None
    return found


def test_caches_without_a_price_cost_what_fresh_input_does() -> None:
    """And with Anthropic's models twice that for an hour, whoever sells them."""
    assert price(listed(model())).base == Rates(
        2_000_000, 8_000_000, 2_000_000, 2_000_000, 2_000_000
    )
    claude = listed(model(PLAIN | {"cache_write_mtok": 2.5}, "vendor/claude-9"))
    assert price(claude, "vendor/claude-9").base.cache_write_1h == 4_000_000
    told = listed(model(PLAIN | {"cache_write_5m_mtok": 2.5, "cache_write_1h_mtok": "3.0000001"}))
    assert price(told).base.cache_write == 2_500_000
    assert price(told).base.cache_write_1h == 3_000_001  # rounded up


def test_who_says_so_is_told() -> None:
    assert price(listed(model())).source == "list, The P"
    paged = listed(model(), pricing_urls=["https://p/prices"])
    assert price(paged).source == "list, https://p/prices"


def test_a_step_holds_for_every_rate_that_has_one() -> None:
    """A rate without steps of its own stays."""
    tiers = {"base": 2, "tiers": [{"start": 200_000, "price": 4}, {"start": 500_000, "price": 6}]}
    found = price(listed(model({"input_mtok": tiers, "output_mtok": 8, "cache_read_mtok": 1})))
    assert found.base == Rates(2_000_000, 8_000_000, 1_000_000, 2_000_000, 2_000_000)
    assert found.steps == (
        (200_000, Rates(4_000_000, 8_000_000, 1_000_000, 4_000_000, 4_000_000)),
        (500_000, Rates(6_000_000, 8_000_000, 1_000_000, 6_000_000, 6_000_000)),
    )


def test_prices_have_their_days_and_modes_their_own() -> None:
    """A mode that was first looked at later held before; what changed afterwards did not."""
    batch = {"when": {"processing": "batch"}, "prices": {"input_mtok": 1}}
    since = {"constraint": {"start_date": "2026-06-01"}}
    later = {
        "when": {"processing": "batch"},
        "prices": {"input_mtok": 0.5},
        "constraint": {"start_date": "2026-09-01"},
    }
    other = {"when": {"route": "eu"}, "prices": {"input_mtok": 9}}
    both = {"when": {"processing": "batch", "service_tier": "flex"}, "prices": {"input_mtok": 9}}
    seed = listed(
        model(
            [{"prices": PLAIN}, {"prices": {"input_mtok": 3, "output_mtok": 8}, **since}],
            price_variants=[later, batch, other, both],
        )
    )

    def seen(month: int) -> tuple[str, int, int]:
        found = price(seed, on=date(2026, month, 1))
        batched = found.of_mode("batch")
        assert batched is not None
        assert [name for name, _ in found.modes] == ["batch"]
        return found.since, found.base.input, batched[0][1].input

    assert seen(1) == ("", 2_000_000, 1_000_000)
    assert seen(6) == ("2026-06-01", 3_000_000, 1_000_000)
    assert seen(9) == ("2026-09-01", 3_000_000, 500_000)


def test_a_day_on_which_nothing_changed_is_none() -> None:
    again = {"constraint": {"start_date": "2026-06-01"}, "prices": PLAIN}
    assert price(listed(model([{"prices": PLAIN}, again]))).since == ""


def test_a_price_that_only_begins_later_is_none_before() -> None:
    since = [{"constraint": {"start_date": "2026-06-01"}, "prices": PLAIN}]
    seed = listed(model(since))
    assert seed.price("p", "m", on=date(2026, 5, 31)) is None
    assert price(seed, on=date(2026, 6, 1)).since == "2026-06-01"


def test_of_the_hours_of_a_day_the_dearest_counts() -> None:
    night = {
        "constraint": {"start_time": "16:30:00Z", "end_time": "00:30:00Z"},
        "prices": {"input_mtok": 1, "output_mtok": 9, "cache_read_mtok": 0.5},
    }
    found = price(listed(model([{"prices": PLAIN}, night])))
    assert (found.base.input, found.base.output) == (2_000_000, 9_000_000)
    steps = {"base": 2, "tiers": []}
    stepped = price(listed(model([{"prices": {**PLAIN, "input_mtok": steps}}, night])))
    assert stepped.base.input == 2_000_000
    night_steps = {**night, "prices": {"input_mtok": steps, "output_mtok": 9}}
    assert price(listed(model([{"prices": PLAIN}, night_steps]))).base.input == 2_000_000


def test_thinking_at_a_price_of_its_own_is_all_the_output_at_the_dearer() -> None:
    assert price(listed(model(PLAIN | {"output_reasoning_mtok": 12}))).base.output == 12_000_000


def test_uses_have_fees() -> None:
    fees = {"web_searches_kcount": 10, "storage_searches_kcount": 2.5, "requests_kcount": 5}
    assert dict(price(listed(model(PLAIN | fees))).fees) == {
        "web_search": 10_000,
        "file_search": 2_500,
        "request": 5_000,
    }


@pytest.mark.parametrize(
    ("prices", "vendor", "known"),
    [
        ({"output_mtok": 1}, "p", False),
        ({"audio_hours": 1}, "p", False),
        (PLAIN | {"output_image_mtok": 30}, "google", False),
        (PLAIN | {"input_audio_mtok": 30}, "openai", False),
        (PLAIN | {"input_audio_mtok": 3}, "google", True),
        (PLAIN | {"input_audio_mtok": None}, "openai", True),
    ],
)
def test_what_tokens_of_text_do_not_pay_for_is_left_out(
    prices: dict[str, Any], vendor: str, known: bool
) -> None:
    """Unknown, so refused, and not charged by half."""
    seed = listed(model(prices), model(id_="other"), vendor=vendor)
    assert (seed.price(vendor, "m", on=TODAY) is not None) is known


def test_only_whole_names_are_names() -> None:
    """A prefix also fits what costs more."""
    rules = [{"equals": "M-One"}, {"starts_with": "m-1"}, {"contains": "m"}, {"regex": "m.*"}]
    seed = listed(model(id_="m-first", match={"or": rules}), model(PLAIN, "m-1-fast"))
    known = [
        name
        for name in ("m-first", "m-one", "m-1", "m-1x", "m-2")
        if seed.price("p", name, on=TODAY)
    ]
    assert known == ["m-first", "m-one", "m-1"]
    assert list(seed.models()) == [("p", "m-first"), ("p", "m-1-fast")]


def test_vendors_have_other_names_too() -> None:
    seed = listed(model(), vendor="x-ai")
    assert seed.price("xai", "m", on=TODAY)
    assert seed.price("y-ai", "m", on=TODAY) is None


def test_inference_in_the_us_costs_more_from_opus_4_6_on() -> None:
    seed = listed(
        *(model(PLAIN, name) for name in ("claude-opus-4-5", "claude-opus-4-6", "claude-opus-5-5")),
        vendor="anthropic",
    )
    places = [price(seed, name, vendor="anthropic").places for _, name in seed.models()]
    assert places == [(), (("us", 110),), (("us", 110),)]


def test_a_list_is_written_and_read_the_same() -> None:
    seed = listed(model(PLAIN | {"web_searches_kcount": 10}))
    assert price(read(write(seed.document))) == price(seed)
    assert write(read(write(seed.document)).document) == write(seed.document)


def test_only_the_vendors_that_are_wanted_are_taken() -> None:
    raw = {"providers": [{"id": one, "name": one, "models": [model()]} for one in ("a", "b")]}
    document = made(raw, origin="o", day="d", sha256="s", only=["b"])
    assert list(document.vendors) == ["b"]


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {"providers": []},
        "text",
        [{"id": "p"}],
        [{"id": "p", "name": "P", "models": [{"id": "m", "match": {}}]}],
        [{"id": "p", "name": "P", "models": [model({"input_mtok": "x", "output_mtok": 1})]}],
        [{"id": "p", "name": "P", "models": [model({"input_mtok": -1, "output_mtok": 1})]}],
        [{"id": "p", "name": "P", "models": [model({"input_mtok": 10**9, "output_mtok": 1})]}],
        [{"id": "p", "name": "P", "models": [model({"input_mtok": "NaN", "output_mtok": 1})]}],
    ],
)
def test_what_is_no_list_of_prices_is_refused(raw: object) -> None:
    with pytest.raises(ConfigError, match="give another --from"):
        made(raw, origin="o", day="d", sha256="s")


@pytest.mark.parametrize("text", [b"", b"[]", b'{"format": 1}'])
def test_a_broken_file_names_the_way_out(text: bytes) -> None:
    with pytest.raises(ConfigError, match="twotier prices update"):
        read(text)


def test_a_list_of_another_program_is_refused() -> None:
    text = write(listed(model()).document).replace(b'"format":1', b'"format":2')
    with pytest.raises(ConfigError, match="format 2"):
        read(text)


@pytest.mark.parametrize(
    ("vendor", "name", "usd"),
    [
        ("openai", "gpt-5.4", (2.5, 15)),
        ("google", "gemini-2.5-pro", (1.25, 10)),
        ("mistral", "mistral-large-latest", None),
        ("deepseek", "deepseek-chat", None),
        ("x-ai", "grok-4", (3, 15)),
        ("openrouter", "anthropic/claude-opus-4.6", (5, 25)),
        ("groq", "llama-3.3-70b-versatile", None),
        ("anthropic", "claude-opus-5-5", (4, 20)),
    ],
)
def test_the_list_of_the_release_has_who_people_ask(
    vendor: str, name: str, usd: tuple[float, float] | None
) -> None:
    found = price(shipped_seed(), name, vendor=vendor)
    assert not found.free
    if usd is not None:
        assert (found.base.input, found.base.output) == tuple(int(one * 1_000_000) for one in usd)


def test_every_entry_of_the_release_can_be_read() -> None:
    """And none of a vendor that sells is free by mistake; free ones say so in their name."""
    seed = shipped_seed()
    for vendor, name in seed.models():
        found = seed.price(vendor, name, on=TODAY)
        assert found is None or not found.free or vendor == "openrouter"
