"""What little the nouns do by themselves."""

from __future__ import annotations

import pytest

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Failed,
    Metered,
    Observed,
    Progress,
    ReasoningDelta,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
    utf8_bytes,
)
from twotier.domain.money import FREE, Price, usd
from twotier.domain.tier import STRICTNESS, TierPolicy, stricter
from twotier.domain.timing import Timing


def test_an_answer_is_folded_into_what_the_ledger_keeps() -> None:
    """Bytes of all the model wrote, its calls, its usage, its end; signs of life are none."""
    seen = Observed()
    usage = Usage(input_tokens=3, output_tokens=2)
    for event in (
        Progress(1, 2),
        Began("id", "model"),
        TextDelta("h\u00e9"),
        ReasoningDelta("abc"),
        ToolCallBegan(0, "c", "read"),
        ToolCallDelta(0, "{}"),
        Metered(usage, final=True),
        Ended("stop"),
        Closed(),
    ):
        seen.fold(event)
    assert (seen.id, seen.model, seen.output_bytes) == ("id", "model", 3 + 3 + 2)
    assert (seen.tool_calls, seen.tool_names, seen.content) == (1, ["read"], True)
    assert (seen.usage, seen.usage_final, seen.finish, seen.closed) == (usage, True, "stop", True)
    failed = Failed("x", "overloaded_error", 529)
    seen.fold(failed)
    assert seen.failed is failed


def test_whoever_asks_hears_how_far_the_prompt_is_read_and_when_it_was() -> None:
    """A sign of life without figures says nothing; a later usage without times erases none."""
    steps: list[Progress] = []
    seen = Observed(on_progress=steps.append)
    timing = Timing(10, 1.0)
    for event in (
        Progress(),
        Progress(5, 10),
        Metered(Usage(1), timing=timing),
        Metered(Usage(2), final=True),
    ):
        seen.fold(event)
    assert steps == [Progress(5, 10)]
    assert (seen.timing, seen.usage_final) == (timing, True)


def test_nothing_but_signs_of_life_is_no_content() -> None:
    """So another tier may still take over."""
    seen = Observed()
    seen.fold(Progress())
    assert not seen.content


def test_prompt_tokens_are_all_the_model_had_to_read() -> None:
    """Fresh, read from and written to a cache."""
    assert Usage(1, 99, 2, 4, 8, 50).prompt_tokens == 15


@pytest.mark.parametrize(("text", "size"), [("", 0), ("abc", 3), ("\u00e9\u4e2d", 5)])
def test_bytes_bound_tokens(text: str, size: int) -> None:
    """In UTF-8, also where a character is three of them."""
    assert utf8_bytes(text) == size


def test_only_a_price_of_nothing_is_free() -> None:
    """One dear kind of token is enough to need a reservation."""
    assert FREE.free
    assert Price(0, 0, 0, 0, 0, "2026-01-01", "mine").free
    assert not Price(0, 0, 0, 0, 1, "2026-01-01", "mine").free


@pytest.mark.parametrize(
    ("microusd", "text"),
    [(0, "$0.0000"), (12, "$0.000012"), (123_400, "$0.1234"), (1_234_567_890, "$1,234.57")],
)
def test_a_sum_is_written_with_the_digits_that_matter(microusd: int, text: str) -> None:
    """Cents for dollars, more for fractions of a cent."""
    assert usd(microusd) == text


def test_of_two_policies_the_stricter_counts() -> None:
    """Whichever side it stands on; every policy has its place in the order."""
    assert sorted(STRICTNESS) == sorted(TierPolicy)
    for rank, wide in enumerate(STRICTNESS):
        for strict in STRICTNESS[rank:]:
            assert stricter(wide, strict) is stricter(strict, wide) is strict
