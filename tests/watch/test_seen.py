"""What is new in a list, by plain values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from twotier.domain.job import Item
from twotier.watch.seen import SEEN_MAX, Entry, bounded, instant, news, oldest_first, since


def entry(key: str, text: str = "text", at: str = "") -> Entry:
    return Entry(key, Item("", f"title of {key}", text, "list", at=at))


def titles(items: tuple[Item, ...]) -> list[str]:
    return [item.title for item in items]


def test_the_first_look_remembers_and_reports_nothing() -> None:
    """Five hundred old entries never go to a model."""
    found, seen = news([entry("a"), entry("b")], None)
    assert (found, len(seen)) == ((), 2)
    again, same = news([entry("b"), entry("a")], seen)
    assert (again, same) == ((), seen)


def test_the_first_look_goes_back_as_far_as_it_is_told() -> None:
    """What has no time is not known to be recent."""
    entries = [entry("old", at="2026-03-01T00:00:00+00:00"), entry("none")]
    entries += [entry("new", at="2026-03-02T00:00:00+00:00")]
    found, seen = news(entries, None, after="2026-03-01T12:00:00+00:00")
    assert (titles(found), len(seen)) == (["title of new"], 3)


def test_a_new_entry_is_reported_once_and_an_edited_one_under_another_id() -> None:
    """White space is no edit."""
    _, seen = news([entry("a", "one  two")], None)
    assert news([entry("a", " one two\n")], seen)[0] == ()
    (edited,), after = news([entry("a", "one three")], seen)
    assert news([entry("a", "one three")], after)[0] == ()
    (first,), _ = news([entry("a", "one two")], {})
    assert len({edited.id, first.id}) == 2


def test_the_same_entry_twice_in_a_list_is_one() -> None:
    """The last one counts, and the list is quiet afterwards."""
    double = [entry("a", "one"), entry("a", "two")]
    (item,), seen = news(double, {})
    assert item.text == "two"
    assert news(double, seen) == ((), seen)


def test_memory_is_bounded_and_what_is_in_the_list_is_never_forgotten() -> None:
    """The oldest of those that left it go first."""
    known = {f"k{number}": "r" for number in range(SEEN_MAX)}
    kept = bounded(known, {"new": "r", "k3": "s"})
    assert len(kept) == SEEN_MAX
    assert (kept["new"], kept["k3"], "k0" in kept, "k1" in kept) == ("r", "s", False, True)
    many = {f"n{number}": "r" for number in range(SEEN_MAX + 5)}
    assert bounded(known, many) == many


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (1772452800, "2026-03-02T12:00:00+00:00"),
        (1772452800000.0, "2026-03-02T12:00:00+00:00"),
        (float("nan"), ""),
        (True, ""),
        (None, ""),
        ("2026-03-02T12:00:00+01:00", "2026-03-02T11:00:00+00:00"),
        ("2026-03-02", "2026-03-02T00:00:00+00:00"),
        ("2026-03-02T12:00:00Z", "2026-03-02T12:00:00+00:00"),
        ("yesterday", ""),
        ("", ""),
        ("0001-01-01T00:00:00+14:00", ""),
    ],
)
def test_times_compare_as_text(text: object, shown: str) -> None:
    """Whatever zone they were written in."""
    assert instant(text) == shown


def test_how_far_the_first_look_goes_back() -> None:
    """Nowhere unless it is told."""
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert since(now, None) == ""
    assert since(now, 86_400.0) == "2026-03-01T12:00:00+00:00"


def test_lists_are_worked_through_from_their_oldest_entry() -> None:
    """By time where all have one, else from the end."""
    late, early = entry("b", at="2026-03-02"), entry("a", at="2026-03-01")
    assert oldest_first([early, late]) == oldest_first([late, early]) == [early, late]
    bare = Entry("c", replace(late.item, at=""))
    assert oldest_first([late, bare]) == [bare, late]
