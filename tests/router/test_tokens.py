"""Tokens of a prompt by what the tier counted before, and how far off that was."""

from __future__ import annotations

import pytest

from twotier.domain.work import NO_WORK, Work
from twotier.router.tokens import Scale, Scales, script_of, size_of, usual


def test_the_script_is_seen_without_reading_the_body() -> None:
    assert script_of("plain", b"{}") == "ascii"
    assert script_of("\u043f\u0440\u0438\u0432\u0435\u0442", "\u043f".encode()) == "other"
    assert script_of("\u043f", b"\\u043f") == "escaped"


def test_a_size_ends_where_the_next_one_begins() -> None:
    assert [size_of(one) for one in (0, 2_047, 2_048, 16_383, 16_384, 10**9)] == [0, 0, 1, 1, 2, 2]


def test_nobody_knows_a_new_tier() -> None:
    """Four bytes for a token, fewer with other letters, more where they are escaped."""
    assert usual(Work(4_000)) == 1_000
    assert usual(Work(3_500, "other", 1_600)) == 2_600
    assert usual(Work(6_000, "escaped")) == 1_000
    assert Scales().tokens(Work(4_000), "local") == 1_000
    assert usual(NO_WORK) == 0


def test_the_rate_of_a_tier_is_learned() -> None:
    """And the error falls with it: at first 4 bytes are guessed where 3 are true."""
    scale = Scale()
    assert scale.error(0.5) is None
    for _ in range(30):
        scale.note(Work(6_000), 2_000)
    assert scale.tokens(Work(6_000)) == 2_000
    assert scale.error(0.5) == pytest.approx(0.0, abs=0.01)
    assert scale.error(1.0) == pytest.approx(0.25, rel=0.08)
    assert Scales({"local": scale}).tokens(Work(3_000), "local") == 1_000
    assert next(scale.known())[:2] == ("ascii", 1)


def test_the_next_size_stands_in_for_one_that_was_never_seen() -> None:
    """The larger one first; another script tells nothing."""
    scale = Scale()
    scale.note(Work(20_000), 10_000)
    scale.note(Work(1_000), 900)
    assert scale.tokens(Work(3_000)) == 1_500
    assert scale.tokens(Work(100)) == 90
    assert scale.tokens(Work(3_500, "other")) == 1_000
    only = Scale()
    only.note(Work(1_000), 500)
    assert only.tokens(Work(100_000)) == 50_000


@pytest.mark.parametrize(
    ("work", "tokens"), [(Work(4_000, beside_tokens=1_600), 9_000), (Work(0), 9), (Work(9), 0)]
)
def test_what_tells_nothing_of_text_is_not_learned_from(work: Work, tokens: int) -> None:
    """Images have tokens of their own, and who counted nothing says nothing."""
    scale = Scale()
    scale.note(work, tokens)
    assert not list(scale.known())
    assert scale.error(0.5) is None


def test_one_that_is_far_off_moves_little() -> None:
    """A server that counts a prompt of its own once does not spoil the rate."""
    scale = Scale()
    for _ in range(20):
        scale.note(Work(4_000), 1_000)
    scale.note(Work(4_000), 100_000)
    assert scale.tokens(Work(4_000)) < 1_400


def test_what_answers_are_kept_under() -> None:
    assert Work(kind="polling").answers == "polling"
    assert Work(kind="polling", tools=True).answers == "step unknown"
    assert Work(tools=True, step="write").answers == "step write"
