"""The exit code says what a program found, and nothing of ours leaks into it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.making import HandClock
from twotier.errors import WatchError
from twotier.watch.base import Around, Look, Watcher
from twotier.watch.kinds import make

SETTINGS = {
    "kind": "command",
    "folder": ".",
    "json_lines": False,
    "timeout": 20.0,
    "item_bytes_max": 100,
    "items_max": 50,
}


class Program:
    """A real program whose output the test chooses, and its watcher."""

    def __init__(self, home: Path, **changes: Any) -> None:
        self.path = home / "program.py"
        self.clock = HandClock()
        settings = SETTINGS | {"argv": [sys.executable, "-S", str(self.path)]} | changes
        self.watcher: Watcher = make(settings, Around(home, self.clock))

    def does(self, source: str) -> None:
        self.path.write_text(source, encoding="utf-8")

    def prints(self, *lines: str, code: int = 0) -> None:
        self.does(f"print({chr(10).join(lines)!r})\nraise SystemExit({code})")

    def look(self, cursor: Any) -> Look:
        self.clock.turn(60)
        return asyncio.run(self.watcher.look(cursor))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def texts(look: Look) -> list[str]:
    return [item.text for item in look.items]


def test_what_is_printed_first_is_the_baseline_and_only_more_is_new(program: Program) -> None:
    """A program may print all it knows each time."""
    program.prints("one", "two")
    first = program.look(None)
    assert first.items == ()
    program.prints("one", "two", "three")
    second = program.look(first.cursor)
    assert texts(second) == ["three"]
    third = program.look(second.cursor)
    assert (third.items, third.cursor) == ((), second.cursor)


def test_a_line_that_was_gone_and_is_back_is_new(program: Program) -> None:
    """The disk is full a second time: that is another event, with another id."""
    program.prints()
    cursor = program.look(None).cursor
    found = []
    for lines in (("full",), (), ("full",)):
        program.prints(*lines)
        look = program.look(cursor)
        found += [item.id for item in look.items]
        cursor = look.cursor
    assert len(set(found)) == 2


def test_a_json_line_is_known_by_its_id_and_new_when_it_says_something_else(
    tmp_path: Path,
) -> None:
    """All fields arrive; edited is a new revision, gone and back is not."""
    program = Program(tmp_path, json_lines=True)
    program.prints()
    cursor = program.look(None).cursor
    told = {"id": 7, "title": "T", "text": "one", "author": "a", "at": "2026-01-01", "link": "l"}
    ids = []
    for text in ("one", "", "one", "two"):
        program.prints(*([json.dumps(told | {"text": text})] if text else []))
        look = program.look(cursor)
        cursor = look.cursor
        ids += [item.id for item in look.items]
        for item in look.items:
            assert (item.title, item.author, item.at, item.link) == ("T", "a", "2026-01-01", "l")
    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]


def test_ten_is_skip_and_leaves_the_cursor(program: Program) -> None:
    """It says that it did not look, so nothing is gone and nothing is new."""
    program.prints("one")
    cursor = program.look(None).cursor
    program.prints("two", code=10)
    assert program.look(cursor) == Look((), cursor)
    assert program.look(None) == Look((), None)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import sys; print('no key', file=sys.stderr); raise SystemExit(3)", "with 3: no key"),
        ("raise SystemExit(1)", "ended with 1: it said nothing"),
        ("print('x' * (2 << 20))", "printed more than 1,048,576 bytes"),
        ("print('x\\n' * 1001)", "printed 1001 lines"),
    ],
)
def test_anything_else_is_could_not_look(program: Program, source: str, says: str) -> None:
    """With what the program itself says about it."""
    program.does(source)
    with pytest.raises(WatchError, match=says):
        program.look({})


def test_a_program_that_is_not_there_is_could_not_look(tmp_path: Path) -> None:
    """The sentence names it."""
    with pytest.raises(WatchError, match="nowhere cannot be started: No such file"):
        Program(tmp_path, argv=["nowhere"]).look(None)


@pytest.mark.parametrize(
    ("line", "says"), [("{", "is not JSON"), ("[]", 'no object with a "text"')]
)
def test_a_line_that_is_not_json_is_could_not_look(tmp_path: Path, line: str, says: str) -> None:
    """It was promised."""
    program = Program(tmp_path, json_lines=True)
    program.prints(line)
    with pytest.raises(WatchError, match=says):
        program.look({})


def test_who_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """Its child held our pipe open for ever."""
    program = Program(tmp_path, timeout=1.5)
    program.does(
        "import subprocess, sys, pathlib\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        "pathlib.Path('pid').write_text(str(child.pid))\n"
        "child.wait()"
    )
    with pytest.raises(WatchError, match=r"longer than 1\.5 s and was ended"):
        program.look({})
    pid = int((tmp_path / "pid").read_text())
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_the_program_gets_none_of_our_secrets(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is a short list, whatever ours holds."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    program.does("import os; print('\\n'.join(sorted(os.environ)))")
    names = set(texts(program.look({})))
    assert "PATH" in names
    assert names <= {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER"}
    assert os.environ["ANTHROPIC_API_KEY"] == "sk-secret"


def test_a_long_line_is_cut_and_says_so(program: Program) -> None:
    """Between characters."""
    program.does("print('\u00e9' * 60)")
    (item,) = program.look({}).items
    assert (item.text, item.bytes_cut, len(item.title)) == ("\u00e9" * 50, 20, 60)
