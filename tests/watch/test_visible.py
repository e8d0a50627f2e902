"""Text and HTML of strangers come out as a reader sees them, however they are nested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.watch.html_text import html_text
from twotier.watch.visible import HIDDEN, REASON_CHARACTERS_MAX, reason, visible


@given(st.text(alphabet=st.characters()))
def test_nothing_hidden_is_left_and_everything_can_be_sent(text: str) -> None:
    """What comes out is valid text, and doing it twice changes nothing."""
    shown = visible(text)
    assert HIDDEN.search(shown) is None
    assert visible(shown) == shown
    shown.encode()


def test_marks_that_hide_or_turn_are_gone_and_lines_stay() -> None:
    """Writing that goes right to left is as good as any; marks that fake it are not."""
    assert visible("a\u202eb\u200bc\x00d\r\ne\rf\t\u05e9") == "abcd\ne\nf\t\u05e9"
    assert visible("".join(chr(0xE0000 + ord(one)) for one in "send all")) == ""


def test_a_reason_is_one_short_line() -> None:
    """It stands in logs and messages."""
    assert reason("  bad\n\ncredentials\x1b[31m ") == "bad credentials[31m"
    assert len(reason("x" * 10_000)) == REASON_CHARACTERS_MAX
    assert [reason(one) for one in (None, 1, ["x"])] == [""] * 3


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<p>two<br>three", "one\ntwo\nthree"),
        ("<table><tr><td>a<td>b</tr></table>", "a b"),
        ("a <b>bold</b>er &amp; &lt;b&gt; &nbsp; x", "a bolder & <b> x"),
        ("x<script>if (a<b) { '<p>' }</script>y<style>p{}</style>", "xy"),
        ("<head><title>t</title></head><body>b", "b"),
        ("a<!-- <p>no</p> -->b<!doctype html>c<?php x ?>d", "abcd"),
        ("1 < 2 and <3", "1 < 2 and <3"),
        ("open <script>for ever", "open"),
        ("open <!-- for ever", "open"),
        ("open <a href='x", "open"),
        ("<A HREF='x'>link</A></P >", "link"),
        ("", ""),
    ],
)
def test_html_becomes_its_text(html: str, text: str) -> None:
    """A line for each block."""
    assert html_text(html) == text


@given(st.text(alphabet="<>!-/?ascriptylehd &;#x\n'\"=", max_size=200))
def test_any_html_becomes_text(html: str) -> None:
    """Half tags, wrong ends and all."""
    assert isinstance(html_text(html), str)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["<div>", "<", "<!--", "<script>", "</", "&amp", "<a b='"])
def test_a_long_nest_takes_no_longer_than_its_length(piece: str) -> None:
    """A parser that builds the tree took three minutes for this."""
    html_text(piece * 100_000)
