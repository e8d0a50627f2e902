"""What becomes of a slot whose job has a run on its way."""

from __future__ import annotations

import pytest

from twotier.jobs.overlap import turn


@pytest.mark.parametrize(
    ("overlap", "on_the_way", "skip", "because", "replaces"),
    [
        ("skip", [], False, "", ()),
        ("queue", [], False, "", ()),
        ("replace", [], False, "", ()),
        ("skip", ["a"], True, "the run a is still going on", ()),
        ("skip", ["a", "b"], True, "the run a is still going on", ()),
        ("queue", ["a"], False, "", ()),
        ("queue", ["a", "b"], True, "the run b is waiting already", ()),
        ("replace", ["a", "b"], False, "", ("a", "b")),
    ],
)
def test_each_policy_does_what_it_is_called(
    overlap: str, on_the_way: list[str], skip: bool, because: str, replaces: tuple[str, ...]
) -> None:
    """At most one waits, and whatever does not run says why."""
    found = turn(overlap, on_the_way)
    assert (found.skip, found.because, found.replaces) == (skip, because, replaces)
