"""Help: three groups, the most needed first, and examples that the program takes as they stand."""

from __future__ import annotations

import shlex

import pytest

from twotier.cli import run, take_config
from twotier.cli.commands import app
from twotier.cli.examples import EXAMPLES
from twotier.cli.help_page import GROUPED, GROUPS, MOST_NEEDED, every

LINES = [(path, line) for path, lines in EXAMPLES.items() for line in lines]


def test_every_command_has_examples_and_a_group() -> None:
    """Also the one that somebody adds tomorrow: `cli/examples.py` and `cli/help_page.py`."""
    paths = [path for path, _ in every(app)]
    assert sorted(EXAMPLES) == sorted(["", *paths])
    assert sorted(GROUPED) == sorted(path for path in paths if " " not in path)
    assert sum(len(names) for names in GROUPS.values()) == len(GROUPED)


@pytest.mark.parametrize(("path", "line"), LINES, ids=[line for _, line in LINES])
def test_an_example_is_what_the_program_takes(path: str, line: str) -> None:
    """Each is read by the real parser, names its own command, and fits a narrow terminal."""
    assert len(line) <= 78
    words = shlex.split(line, comments=True)
    words = words[len(words) - words[::-1].index("twotier") :]  # `claude ... -- twotier mcp`
    words = words[: words.index(">")] if ">" in words else words
    rest, _ = take_config(words)
    command, _, _ = app.parse_args(rest, exit_on_error=False, print_error=False)
    assert command != app.help_print
    assert rest[: len(path.split())] == path.split()


def test_the_first_page_has_three_groups_and_the_most_needed_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order in which a newcomer needs them; each page ends with its own examples."""
    monkeypatch.setenv("COLUMNS", "80")
    for _ in range(2):  # help is dressed each time it is asked for
        assert run([]) == 0
        out = capsys.readouterr().out
        assert len(MOST_NEEDED) == 8
        places = [out.index(f"│ {name} ") for name in MOST_NEEDED]
        assert places == sorted(places)
        titles = [out.index(f"─ {title} ─") for title in GROUPS]
        assert titles == sorted(titles)
        assert len(titles) == 3
        assert max(len(line) for line in out.splitlines()) <= 80
    assert run(["job", "pause", "--help"]) == 0
    assert capsys.readouterr().out.endswith("Examples:\n  twotier job pause inbox\n")
    assert run(["job", "--help"]) == 0
    assert "  twotier job run inbox\n" in capsys.readouterr().out
