"""Ours against the provider's: to the cent, row by row, and what went past twotier."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.ledger.toys import OPUS
from twotier.domain.bill import COST, USAGE, BillRow
from twotier.domain.price import Price, Rates
from twotier.outside.compare import Day, compare, flat

DAY = "2026-03-10"
SEARCHES = replace(OPUS, fees=(("web_search", 10_000), ("request", 5_000)))


def price(provider: str, model: str, on: date) -> Price | None:
    assert (provider, on.isoformat()[:7]) == ("anthropic", "2026-03")
    return SEARCHES if model == "claude-opus-4-6" else None


def ours(cost: int, *, model: str = "claude-opus-4-6", day: str = DAY, tokens: int = 0) -> BillRow:
    return BillRow("anthropic", "ours", day, model, input_tokens=tokens, cost_microusd=cost)


def cost(microusd: int, *, model: str = "claude-opus-4-6", day: str = DAY) -> BillRow:
    return BillRow("anthropic", COST, day, model, cost_microusd=microusd)


def usage(model: str = "claude-opus-4-6", item: str = "||", **counts: int) -> BillRow:
    return BillRow("anthropic", USAGE, DAY, model, item, **counts)


def one_day(mine: list[BillRow], said: list[BillRow], logs: int = 0) -> Day:
    (day,) = compare(mine, said, logs={DAY: logs} if logs else {}, price=price)
    return day


def test_within_a_cent_they_agree() -> None:
    """An id with a date is the same model."""
    day = one_day([ours(1_000_000)], [cost(1_010_000, model="claude-opus-4-6-20260205")])
    (line,) = day.lines
    assert day.agrees
    assert (line.difference_microusd, line.difference_tokens) == (10_000, None)
    assert day.outside_microusd == 0
    assert not one_day([ours(1_000_000)], [cost(1_010_001)]).agrees
    assert not one_day([ours(1_010_001)], [cost(1_000_000)]).agrees


def test_what_nobody_here_knows_went_past_twotier() -> None:
    """What a log has of it is not counted twice."""
    day = one_day([ours(1_000_000)], [cost(4_000_000)], logs=2_500_000)
    assert (day.excess_microusd, day.outside_microusd) == (500_000, 3_000_000)
    more = one_day([ours(1_000_000)], [cost(2_000_000)], logs=2_500_000)
    assert (more.excess_microusd, more.outside_microusd) == (0, 2_500_000)


def test_a_day_that_the_provider_has_not_told_of() -> None:
    """It neither agrees nor has it an excess; what a log has stands."""
    silent, log = compare([ours(5)], [], logs={"2026-03-11": 7}, price=price)
    assert (silent.agrees, silent.excess_microusd, silent.known) == (False, 0, False)
    assert (log.day, log.lines, log.outside_microusd) == ("2026-03-11", (), 7)


def test_rows_only_on_one_side() -> None:
    """Each is a line, and says so."""
    day = one_day([ours(5, model="claude-haiku-4-5")], [cost(9)])
    assert [(line.model, line.ours is None, line.theirs is None) for line in day.lines] == [
        ("claude-haiku-4-5", False, True),
        ("claude-opus-4-6", True, False),
    ]
    assert [line.difference_microusd for line in day.lines] == [-5, 9]


def test_counts_are_priced_where_no_cost_is_told() -> None:
    """Searches apart, as in the cost report, and never a price for each request of a sum."""
    counts = usage(input_tokens=1_000_000, output_tokens=100_000, web_searches=3)
    day = one_day([ours(7_500_000, tokens=1_100_000)], [counts])
    opus, search = day.lines
    assert (opus.difference_microusd, opus.difference_tokens) == (0, 0)
    assert search.theirs is not None
    assert (search.model, search.difference_microusd) == ("web_search", 30_000)
    told = one_day([], [counts, cost(8_000_000)])
    assert [line.difference_microusd for line in told.lines] == [8_000_000, 0]
    assert told.lines[0].difference_tokens == 1_100_000


def test_a_count_without_a_price_is_said() -> None:
    """It is not nothing; where nothing was counted there is nothing to say."""
    day = one_day([], [usage("claude-next", input_tokens=5)])
    assert (day.theirs.priced, day.agrees) == (False, False)
    assert one_day([], [usage("claude-next")]).theirs.priced


def test_a_sum_of_many_prompts_is_no_long_prompt() -> None:
    """Only rows of long prompts cost what long prompts do."""
    long = Rates(10_000_000, 50_000_000, 1_000_000, 12_500_000, 20_000_000)
    batch = Rates(2_500_000, 12_500_000, 250_000, 3_125_000, 5_000_000)
    tiered = replace(OPUS, steps=((200_000, long),), modes=(("batch", ((0, batch),)),))
    assert flat(tiered, long=False).ladder == ((0, OPUS.base),)
    assert flat(tiered, long=True).ladder == ((0, long),)
    assert flat(tiered, long=True).modes == (("batch", ((0, batch),)),)
    rows = [usage(input_tokens=1_000_000), usage(item="||long", input_tokens=1_000_000)]
    (day,) = compare([], rows, logs={}, price=lambda *_: tiered)
    assert day.theirs.cost_microusd == 15_000_000
