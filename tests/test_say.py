"""What headers say of an answer."""

from __future__ import annotations

import pytest

from twotier.domain.money import FREE, Attempt
from twotier.say import HEADER_CHARS_MAX, headers

ATTEMPT = Attempt("r-0", "r", "local", "llama-local", "m", "auto", "default", FREE, 0)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("seed", "seed"),
        ("a\r\nset-cookie: x", "a??set-cookie: x"),
        ("\x00", "?"),
        ("größe 🙂", "gr??e ?"),
    ],
)
def test_a_field_of_any_name_is_named_in_one_line(name: str, told: str) -> None:
    """A client whose field was named by a NUL got a 500: no header may carry that."""
    assert headers(ATTEMPT, 0, dropped=[name])["x-twotier-dropped"] == told
    assert headers(ATTEMPT, 0, failures=[name])["x-twotier-fallback"] == told


def test_ten_thousand_unknown_fields_make_no_head_too_long() -> None:
    told = headers(ATTEMPT, 0, dropped=[f"field{at}" for at in range(10_000)])
    assert len(told["x-twotier-dropped"]) == HEADER_CHARS_MAX
    assert told["x-twotier-dropped"].endswith(" ...")
