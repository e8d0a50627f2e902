"""What is learned of a tier's speed, and what is predicted from it: plain values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.router.speed import DEPTH_TOKENS, DEPTHS, FAR, Did, Mean, Speed, depth_of, nearest


def did(
    prompt: int = 2_000, *, cached: int = 0, prefill: float = 400.0, decode: float = 50.0
) -> Did:
    """An answer of 100 tokens at these rates."""
    read = prompt - cached
    return Did(prompt, cached, read, read / prefill, 100, 100 / decode, queue_seconds=0.5)


@given(st.integers(0, 1_000_000))
def test_a_depth_is_where_its_bounds_are(tokens: int) -> None:
    """The digits say what the table of bounds says."""
    assert depth_of(tokens) == sum(tokens >= bound for bound in DEPTH_TOKENS)
    assert len(DEPTHS) == len(DEPTH_TOKENS) + 1


def test_one_odd_answer_does_not_change_what_is_known() -> None:
    """It waited behind another for a minute: the rate moves by less than a tenth."""
    speed = Speed()
    for _ in range(20):
        speed.note(did(prefill=400.0))
    speed.note(did(prefill=4.0))
    assert speed.prefill[1].value == pytest.approx(400 * (0.9 + 0.1 / FAR))


def test_a_new_speed_is_believed_after_a_while() -> None:
    """The machine is busy now, or not any more."""
    mean = Mean()
    for _ in range(10):
        mean.note_rate(50.0)
    for _ in range(40):
        mean.note_rate(20.0)
    assert mean.value == pytest.approx(20.0, rel=0.05)
    assert mean.count == 50


def test_rates_are_kept_by_depth_and_the_nearest_one_stands_in() -> None:
    """Both fall as a conversation grows; of two that are equally near the slower one counts."""
    speed = Speed()
    assert nearest(speed.decode, 2) == 0.0
    speed.note(did(2_000, decode=50.0))
    speed.note(did(30_000, decode=25.0))
    assert nearest(speed.decode, depth_of(3_000)) == pytest.approx(50.0)
    assert nearest(speed.decode, depth_of(10_000)) == pytest.approx(25.0)
    assert nearest(speed.decode, depth_of(100)) == pytest.approx(50.0)


def test_the_sum_of_the_facts_page() -> None:
    """A poll of 20K tokens: about 27 s cold, a few with a warm prefix; 150 tokens out."""
    speed = Speed()
    speed.note(did(20_000, prefill=1_000.0, decode=25.0))
    cold = speed.predict(20_000, 150, cached=0.0, wait_seconds=1.0)
    assert cold is not None
    assert (cold.wait_seconds, cold.prompt_seconds, cold.output_seconds) == pytest.approx(
        (1.0, 20.0, 6.0)
    )
    assert cold.first_token_seconds == pytest.approx(21.0)
    assert cold.seconds == pytest.approx(27.0)
    warm = speed.predict(20_000, 150, cached=0.95, wait_seconds=0.0)
    assert warm is not None
    assert warm.seconds == pytest.approx(7.0)


def test_nothing_is_predicted_before_both_rates_are_known() -> None:
    """A guess would look like a measurement."""
    speed = Speed()
    assert speed.predict(100, 10, cached=0.0, wait_seconds=0.0) is None
    speed.note(Did(2_000, 0, 2_000, 5.0, 3, 0.1))  # too few tokens to tell how fast it writes
    assert speed.predict(100, 10, cached=0.0, wait_seconds=0.0) is None


@pytest.mark.parametrize(
    "little",
    [
        Did(0, 0, 0, 0.0, 50, 1.0),
        Did(2_000, 2_000, 0, 0.0, 0, 0.0),
        Did(2_000, 1_990, 10, 0.1, 50, 0.0),
    ],
)
def test_what_says_nothing_teaches_nothing(little: Did) -> None:
    """No usage, all of it cached, too few tokens, no times."""
    speed = Speed()
    speed.note(little)
    assert not any(mean.count for mean in (*speed.prefill, *speed.decode, speed.queue))


def test_what_was_known_can_be_told_and_taken_up_again() -> None:
    """As the book keeps it; what another version called otherwise is left out."""
    speed, later = Speed(), Speed()
    speed.note(did(2_000, cached=500))
    speed.load.note(30.0)
    for measure, depth, mean in speed.means():
        later.put(measure, depth, mean=mean)
    later.put("vibes", 0, mean=Mean(1.0, 1))
    later.put("decode", 17, mean=Mean(1.0, 1))
    assert later == speed
    assert [measure for measure, _, _ in later.means()] == [
        "prefill",
        "decode",
        "cached",
        "load",
        "queue",
    ]
