"""Conversations as text: what a model is told, what a messenger gets."""

from __future__ import annotations

import pytest

from twotier.jobs.chat_text import Line, cut, open_fence, parts_of, recent, shown, title_of, units

ASKED, ANSWERED = Line("user", "q" * 40), Line("assistant", "a" * 40)


def test_the_newest_lines_that_fit_are_told_and_always_the_last() -> None:
    """No answer without its question; a last message that is too long is told whole."""
    lines = [ASKED, ANSWERED, ASKED, ANSWERED, ASKED]
    assert recent(lines, characters_max=1_000) == lines
    assert recent(lines, characters_max=120) == lines[2:]
    assert recent(lines, characters_max=80) == lines[4:]
    assert recent(lines, characters_max=10) == lines[4:]


def test_a_title_is_one_short_line_and_nothing_moves_a_cursor() -> None:
    """Escape sequences and marks that turn a line round are taken out."""
    assert title_of("Good\n morning") == "Good morning"
    assert title_of("x" * 80) == "x" * 57 + "..."
    assert shown("a\x1b[2Jb\u202ec\td\n") == "a[2Jbc\td\n"


@pytest.mark.parametrize("mark", ["\n\n", "\n", " ", ""])
def test_parts_lose_no_word_and_fit(mark: str) -> None:
    """Cut at paragraphs, lines, words, or where it must be."""
    text = mark.join(f"word{number}" for number in range(400))
    parts = parts_of(text, units_max=300)
    assert all(units(part) <= 300 for part in parts)
    assert "".join(parts).replace(mark or "x", "") == text.replace(mark or "x", "")
    assert parts_of(" short ", units_max=300) == ["short"]
    assert parts_of("", units_max=300) == []


def test_code_stays_code_in_each_part() -> None:
    """A block that is cut is closed, and opened again with its language."""
    text = "Before\n```python\n" + "print(1)\n" * 60 + "```\nAfter"
    parts = parts_of(text, units_max=200)
    assert len(parts) > 2
    assert all(units(part) <= 200 for part in parts)
    assert all(not open_fence(part) for part in parts)
    assert parts[1].startswith("```python\n")
    assert parts[-1].endswith("After")
    assert "".join(parts).count("print(1)") == 60


def test_characters_that_count_twice_count_twice() -> None:
    """As messengers count: in units of UTF-16."""
    assert units("a\U0001f600") == 3
    piece, rest = cut("\U0001f600" * 100, 50)
    assert units(piece) <= 50
    assert piece + rest == "\U0001f600" * 100
    assert all(units(part) <= 100 for part in parts_of("\U0001f600" * 200, units_max=100))
