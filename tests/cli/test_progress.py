"""How far a download is: drawn where somebody watches, one line for each file where nobody does."""

from __future__ import annotations

import io
import sys
import time

import pytest

from twotier.cli.progress import Bar, working


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_shows_share_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redrawn in place, a few times a second; what was here before is no speed."""
    screen, now = Screen(), [0.0]
    monkeypatch.setattr(sys, "stderr", screen)
    bar = Bar(1_000_000_000, now=lambda: now[0])
    bar("a", 400_000_000, total_bytes=900_000_000)
    now[0] = 1.0
    bar("a", 500_000_000, total_bytes=900_000_000)
    bar("a", 501_000_000, total_bytes=900_000_000)  # too soon to draw again
    now[0] = 10.0
    bar("a", 900_000_000, total_bytes=900_000_000)
    bar.end()
    first, *_, last = screen.getvalue().strip("\r\n").split("\r")
    assert " 50%  100.0 MB/s, 0 min left" in first
    assert " 90%   50.0 MB/s" in last
    assert "#" * 25 in last


def test_the_last_it_says_is_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what it was at the last drawing, a moment before the end."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    bar = Bar(10, now=lambda: 1.0)
    bar("a", 4, total_bytes=10)
    bar("a", 10, total_bytes=10)
    bar.end()
    assert screen.getvalue().endswith("\n")
    assert "100%" in screen.getvalue().split("\r")[-1]


def test_without_a_watcher_each_file_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    bar = Bar(10, now=lambda: 0.0)
    for done in (4, 10, 10):
        bar("a", done, total_bytes=10)
    bar.end()
    assert pipe.getvalue() == "  a: 0.0 MB\n"


def waited(screen: io.StringIO, text: str, *, then_fail: bool = False) -> None:
    """Until it is there."""
    until = time.monotonic() + 60
    while text not in screen.getvalue():
        assert time.monotonic() < until, screen.getvalue()
        time.sleep(0.001)
    assert not then_fail


def test_what_takes_long_is_said_and_the_line_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place, and nothing is left of it."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with working("copying", tick_seconds=0.5):
        waited(screen, "copying ... 1 s")
    assert screen.getvalue().split("\r")[-2].strip() == screen.getvalue().split("\r")[-1] == ""


def test_without_a_watcher_it_is_said_once_and_then_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error ends it as well; what is over at once says nothing."""
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with working("copying"):
        pass
    assert pipe.getvalue() == ""
    with pytest.raises(AssertionError), working("copying", tick_seconds=0.001):
        waited(pipe, "still at it", then_fail=True)
    first, second, *_ = pipe.getvalue().splitlines()
    assert (first, second) == ("copying ...", "copying: still at it after 0 s")
