"""What explains a silence: plain values, each kind of request."""

from __future__ import annotations

import math

import pytest

from twotier.domain.endpoint import Work
from twotier.supervisor.excuse import silent_seconds, unlearned


def fast(_: int) -> float:
    return 1_000.0


def slower_when_deep(prompt_tokens: int) -> float:
    return 1_000.0 if prompt_tokens < 10_000 else 100.0


@pytest.mark.parametrize(
    ("work", "seconds"),
    [
        (Work(5_000), 20.0),
        (Work(5_000, holds=True), 20.0),
        (Work(5_000, whole=True), math.inf),
        (Work(5_000, whole=True, began=True), 8.0),
        (Work(5_000, began=True), 8.0),
        (Work(500, began=True), 2.0),
        (Work(5_000, began=True, holds=True), math.inf),
    ],
)
def test_a_request_explains_its_prompt_and_one_that_began_a_step_of_it(
    work: Work, seconds: float
) -> None:
    """A keep-alive comment is a beginning too, and its prompt goes on being read."""
    assert silent_seconds([work], pace=fast, step_tokens=2_000, tells=False) == seconds


def test_prompts_are_read_one_after_the_other_and_nobody_explains_nothing() -> None:
    works = [Work(5_000), Work(1_000)]
    assert silent_seconds(works, pace=fast, step_tokens=0, tells=False) == 24.0
    assert silent_seconds([], pace=fast, step_tokens=0, tells=False) == 0.0
    assert silent_seconds([Work(9, began=True)], pace=fast, step_tokens=0, tells=False) == 0.0


def test_where_it_tells_how_far_it_is_a_step_explains_everything() -> None:
    """At the pace of the whole length: the last steps of a long prompt are the slow ones."""
    works = [Work(9_000, whole=True), Work(9_000, began=True, holds=True)]
    assert silent_seconds(works, pace=slower_when_deep, step_tokens=500, tells=True) == 20.0
    assert silent_seconds([Work(100)], pace=fast, step_tokens=500, tells=True) == 0.4


def test_what_nobody_has_seen_reading_reads_a_token_a_second() -> None:
    assert silent_seconds([Work(30)], pace=unlearned, step_tokens=0, tells=False) == 30.0
