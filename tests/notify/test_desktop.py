"""Desktop and terminal: text from outside is text there, and nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from twotier.errors import DeliveryError
from twotier.notify import desktop
from twotier.notify.base import Message
from twotier.notify.desktop import SCRIPT, Desktop, command
from twotier.notify.terminal import Terminal

NASTY = Message('a "; rm -rf ~', "<b>x</b> $(id)\x1b[2J\nsecond", "k", {"severity": "urgent"})
PROGRAM = """#!/usr/bin/env python3
import json, os, sys
open(os.environ["HEARD"], "w").write(json.dumps(sys.argv[1:]))
sys.stderr.write("no \\x1b[31mbus\\n" if os.environ.get("FAILS") else "")
sys.exit(1 if os.environ.get("FAILS") else 0)
"""


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `notify-send` that writes down what it was given."""
    program = tmp_path / "notify-send"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("HEARD", str(tmp_path / "heard"))
    return tmp_path / "heard"


def test_linux_gets_words_without_markup(heard: Path) -> None:
    said = asyncio.run(Desktop("linux").send("", NASTY))
    assert said == "notify-send took it"
    assert json.loads(heard.read_text()) == [
        "--app-name=twotier",
        "--urgency=critical",
        "--",
        'a "; rm -rf ~',
        "&lt;b&gt;x&lt;/b&gt; $(id) [2J second",
    ]


def test_a_mac_gets_them_as_arguments_of_a_fixed_script() -> None:
    """Text inside a script would be AppleScript."""
    mild = Message("t", "x", "k")
    assert command(NASTY, "darwin") == [
        "osascript",
        "-e",
        SCRIPT,
        'a "; rm -rf ~',
        "<b>x</b> $(id) [2J second",
    ]
    assert command(mild, "linux")[2] == "--urgency=normal"


def test_a_desktop_that_is_not_there_says_so(
    heard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "1")
    with pytest.raises(DeliveryError, match=r"notify-send could not show it: no \[31mbus"):
        asyncio.run(Desktop("linux").send("", NASTY))
    (tmp_path / "notify-send").write_text("not a program\n")
    with pytest.raises(DeliveryError, match="cannot be started"):
        asyncio.run(Desktop("linux").send("", NASTY))
    (tmp_path / "notify-send").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(desktop, "SEND_SECONDS", 0.2)
    with pytest.raises(DeliveryError, match="did not end within"):
        asyncio.run(Desktop("linux").send("", NASTY))
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(DeliveryError, match="there is no notify-send on this machine"):
        asyncio.run(Desktop("linux").send("", NASTY))


def test_a_terminal_gets_one_line_and_a_bell_for_what_is_urgent() -> None:
    lines: list[str] = []
    assert asyncio.run(Terminal(lines.append, bell=True).send("", NASTY)) == "the terminal took it"
    asyncio.run(Terminal(lines.append, bell=False).send("", NASTY))
    assert lines == [
        '\aa "; rm -rf ~: <b>x</b> $(id) [2J second\n',
        'a "; rm -rf ~: <b>x</b> $(id) [2J second\n',
    ]

    def closed(_: str) -> None:
        raise ValueError("I/O operation on closed file")

    with pytest.raises(DeliveryError, match="the terminal is gone"):
        asyncio.run(Terminal(closed, bell=False).send("", NASTY))
