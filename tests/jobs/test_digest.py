"""What is delivered without a model."""

from __future__ import annotations

from twotier.config.work import NO_MODEL as SETTING
from twotier.domain.job import Item
from twotier.jobs.digest import EXCERPT_CHARACTERS, ITEMS_MAX, NO_MODEL, by_rule, digest


def item(number: int = 1, **more: str) -> Item:
    return Item(**{"id": str(number), "title": f"t{number}", "text": "", "source": "feed", **more})  # type: ignore[arg-type]


def test_an_item_is_told_by_what_is_known_of_it() -> None:
    """Title, author and time, link, first words; what is not known has no line."""
    whole = item(
        author="Ann\nLee", at="2026-02-03T07:12:00Z", link="https://a/", text=" one\n two "
    )
    assert digest([whole]) == "t1\nAnn Lee, 2026-02-03T07:12:00Z\nhttps://a/\none two"
    assert digest([item(2), item(3, author="Ann")]) == "t2\n\nt3\nAnn"
    assert digest([item(title="", text="x")]) == "feed\nx"


def test_text_from_outside_cannot_look_like_a_line_of_ours() -> None:
    told = digest([item(title="a\nhttps://evil/", link="https://a/")])
    assert told == "a https://evil/\nhttps://a/"


def test_a_long_text_is_cut_between_words() -> None:
    told = digest([item(text="word " * 100)]).splitlines()[1]
    assert len(told) <= EXCERPT_CHARACTERS
    assert told.endswith("word...")
    assert digest([item(text="x" * 500)]).splitlines()[1] == "x" * (EXCERPT_CHARACTERS - 3) + "..."


def test_of_many_items_the_first_are_told() -> None:
    told = digest([item(number) for number in range(ITEMS_MAX + 2)])
    assert told.endswith("t49\n\nand 2 more")


def test_it_counts_as_an_answer_that_cost_nothing() -> None:
    made = by_rule([item()], step="s")
    assert made["text"] == "t1"
    assert (made["answer"]["tier"], made["answer"]["cost_microusd"], made["step"]) == ("", 0, "s")
    assert NO_MODEL == SETTING  # written twice, because jobs and settings do not know each other
