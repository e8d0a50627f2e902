"""What an MCP server says, made fit for a prompt."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from twotier.domain.label import UNKNOWN
from twotier.errors import ToolError
from twotier.tools.base import ToolSpec
from twotier.tools.mcp_text import (
    block_text,
    brief,
    described,
    plain,
    result_text,
    schema_of,
    size,
    tool_name,
)


def test_names_are_valid_and_never_the_same_for_two_tools() -> None:
    """Characters no provider takes are replaced, long names cut, and both carry a mark."""
    assert tool_name("git", "git_log") == "mcp_git_git_log"
    dot, dash, long = tool_name("a", "x.y"), tool_name("a", "x/y"), tool_name("a", "z" * 90)
    assert dot != dash
    assert dot.startswith("mcp_a_x_y_")
    assert len(long) == 64
    assert tool_name("a", "z" * 91) != long


def test_descriptions_keep_whole_sentences_and_no_tricks() -> None:
    """One line, no invisible characters, at least its first words."""
    assert described("Short.\n\tAnd\u200b more.", characters_max=100) == "Short. And more."
    assert described("One two. Three four.", characters_max=12) == "One two."
    assert described("x" * 50, characters_max=20) == "x" * 17 + "..."


def test_text_is_cut_with_a_word_about_it() -> None:
    """Whoever reads it knows that there was more."""
    assert plain(" a\x00b\u202e ", characters_max=10) == "ab"
    assert plain("x" * 12, characters_max=10) == "x" * 10 + " [cut: 12 characters in all]"


def test_a_long_schema_loses_its_words_and_then_its_place() -> None:
    """Names of properties stay, even where they are called like a word."""
    words: dict[str, Any] = {
        "$schema": "x",
        "description": "y",
        "properties": {
            "description": {"type": "string", "description": "w" * 9_000},
            "list": {"enum": ["a", {"title": "t"}]},
        },
    }
    assert schema_of({}, tool="t") == {"type": "object", "properties": {}}
    assert schema_of(words, tool="t") == {
        "type": "object",
        "properties": {"description": {"type": "string"}, "list": {"enum": ["a", {}]}},
    }
    many = {"properties": {f"name{number}": {"type": "string"} for number in range(1_000)}}
    with pytest.raises(ToolError, match="leave it out of `tools`"):
        schema_of(many, tool="t")


def test_a_small_model_is_told_less() -> None:
    """A short description, a schema without words."""
    parameters = {"properties": {"a": {"type": "string", "title": "A", "description": "d"}}}
    spec = ToolSpec("t", "First. " + "Then more. " * 30, parameters, UNKNOWN)
    short = brief(spec)
    assert short.parameters == {"properties": {"a": {"type": "string"}}}
    assert len(short.description) <= 160
    assert short.description.startswith("First. Then more.")
    assert size(short.parameters) < size(spec.parameters)


def test_every_part_of_a_result_is_text_or_named() -> None:
    """Pictures and files are not text; a result of data alone is its JSON."""

    def part(**values: Any) -> SimpleNamespace:
        return SimpleNamespace(**values)

    resource = part(uri="file:///a", text="inside")
    assert block_text(part(type="resource", resource=resource)) == "inside"
    assert block_text(part(type="resource", resource=part(uri="u"))) == "[u: not text]"
    assert block_text(part(type="resource_link", name="n", uri="u")) == "[n: u]"
    assert block_text(part(type="audio", data="AAAA")) == "[audio, 3 bytes, not shown]"
    assert result_text([], {"a": 1}) == '{"a": 1}'
    assert result_text([part(type="text", text="")], None) == "(empty)"
    assert result_text([part(type="text", text="a"), part(type="text", text="b")], {}) == "a\n\nb"
