"""How deep a probe goes, and whether both ends were read."""

from __future__ import annotations

import pytest

from tests.matrix.answers import heard
from twotier.matrix.depths import FIRST, LAST, between, depths, judge_memory, shallow_tokens
from twotier.matrix.filler import WORDS, filler
from twotier.matrix.heard import Heard


@pytest.mark.parametrize(
    ("window", "prefill", "full", "deep"),
    [
        (196_608, 400.0, False, 4_000),
        (196_608, 0.0, False, 1_024),
        (196_608, 400.0, True, 196_096),
        (4_096, 400.0, False, 3_584),
        (512, 400.0, False, 128),
    ],
)
def test_the_deepest_prompt_is_what_fits_or_what_is_read_in_ten_seconds(
    window: int, prefill: float, full: bool, deep: int
) -> None:
    """The others lie below it, and all of them in the window."""
    found = depths(window, prefill, full=full)
    assert found.deep == deep
    assert shallow_tokens(window) <= found.middle <= found.deep <= window


def test_a_filler_is_new_for_each_probe_and_the_same_within_it() -> None:
    """Or a server's cache would be measured, or its window not filled."""
    assert filler(5_000, seed=1) == filler(5_000, seed=1)
    assert filler(5_000, seed=1)[:200] != filler(5_000, seed=2)[:200]
    assert 5_000 <= len(filler(5_000, seed=1)) < 5_200
    assert not {FIRST, LAST} & set(WORDS)


def test_the_words_stand_at_the_ends() -> None:
    text = between(8_000, seed=3)
    assert text.index(FIRST) < 100
    assert text.index(LAST) > len(text) - 100


@pytest.mark.parametrize(
    ("number", "answer", "why"),
    [
        (0, heard(text=f"They are {FIRST.capitalize()} and {LAST}."), ""),
        (0, heard(text=LAST), "the beginning of the prompt was lost"),
        (1, heard(text=FIRST), ""),
        (2, heard(text=FIRST), "the end of the prompt was lost"),
        (3, heard(text="none"), "the beginning and end of the prompt was lost"),
        (0, Heard(error="deadline_passed"), "no answer: deadline_passed"),
    ],
)
def test_a_server_that_cuts_in_silence_is_found_out(number: int, answer: Heard, why: str) -> None:
    assert judge_memory(answer, number) == why
