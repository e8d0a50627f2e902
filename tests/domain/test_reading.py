"""How fast a prompt was read, from a server's own count of it."""

from __future__ import annotations

import pytest

from twotier.domain.message import Progress
from twotier.domain.reading import Reading
from twotier.domain.timing import Timing


def reading(*steps: tuple[float, int, int]) -> Reading:
    """Steps of (second, done, total)."""
    times = iter([at for at, _, _ in steps])
    found = Reading(lambda: next(times))
    for _, done, total in steps:
        found.note(Progress(done, total))
    return found


def test_the_pace_after_the_first_part_is_the_pace_of_all() -> None:
    """Asked at 10, 2,048 of 8,192 read at 25, the first token at 31: it read at 1,024 a second, so
    it began at 23 and the rest was waiting.
    """
    assert reading((25.0, 2_048, 8_192)).timing(10.0, 21.0) == Timing(8_192, 8.0)
    assert reading((25.0, 2_048, 8_192), (28.0, 6_144, 8_192)).timing(10.0, 21.0) == Timing(
        8_192, 8.0
    )


def test_it_never_read_longer_than_it_took() -> None:
    """The last part may be the slowest."""
    assert reading((1.0, 6_144, 8_192)).timing(0.0, 3.0) == Timing(8_192, 3.0)


@pytest.mark.parametrize(
    ("found", "first"),
    [
        (reading(), 3.0),
        (reading((1.0, 2_048, 8_192)), None),
        (reading((1.0, 0, 0)), 3.0),
    ],
)
def test_too_little_says_nothing(found: Reading, first: float | None) -> None:
    """No sign of life, no first token, or one without a count."""
    assert found.timing(0.0, first) is None


def test_a_prompt_that_was_one_part_tells_how_much_was_read_and_no_pace() -> None:
    """The rest of a long conversation lay in its cache: 50 tokens in 3 s are mostly other work."""
    assert reading((1.0, 48, 50)).timing(0.0, 3.0) == Timing(50, 0.0)
