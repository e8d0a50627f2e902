"""Programs that the owner allows, run for real: their words, their environment, their end."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools.benches import a_call, bench, used
from twotier.domain.label import Label
from twotier.errors import ToolError
from twotier.tools.base import Tool
from twotier.tools.command import Box, in_bubblewrap, in_seatbelt, make
from twotier.tools.settings import Command, Wanted


def program(root: Path, *argv: str, **more: Any) -> Tool:
    given: dict[str, Any] = {
        "name": "count-words",
        "argv": argv,
        "description": "",
        "seconds_max": 20.0,
        "changes": True,
        "network": False,
        "sandbox": "off",
        "output_bytes_max": 1_000,
        **more,
    }
    (tool,) = make(Wanted("command", ("x",)), bench(root, commands={"x": Command(**given)}))
    return tool


def test_the_owners_words_run_with_the_models_values(tmp_path: Path) -> None:
    """One word stays one word, whatever stands in it; there is no shell."""
    tool = program(tmp_path, "printf", "%s|", "{first}", "--x={second}")
    assert list(tool.spec.parameters["properties"]) == ["first", "second"]
    value = "a b; touch $(id) `id` > x && *"
    assert used(tool, {"first": value, "second": "-y"}).text == f"{value}|--x=-y|"
    assert list(tmp_path.iterdir()) == []
    for bad in ("", "-rf", "--help", "a\0b", "x" * 3_000, "/etc/x", "~/x", "a/../../x", ".env"):
        with pytest.raises(ToolError):
            used(tool, {"first": bad, "second": "y"})


def test_it_sees_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of the environment, no home; it stands in the job's folder, which is made for it."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    root = tmp_path / "files"
    seen = used(program(root, "env"), {}).text
    assert sorted(line.partition("=")[0] for line in seen.splitlines()) == [
        "HOME",
        "LC_ALL",
        "PATH",
    ]
    assert used(program(root, "pwd"), {}).text == str(root)


def test_what_it_says_and_how_it_ends(tmp_path: Path) -> None:
    """A code that is not 0 is told with its complaint; long output is cut; silence is said."""
    failing = program(tmp_path, "sh", "-c", "echo out; echo wrong >&2; exit 3")
    assert used(failing, {}).text == "[it ended with 3: wrong]\nout"
    assert used(program(tmp_path, "true"), {}).text == "[it printed nothing]"
    long = program(tmp_path, "head", "-c", "5000", "/dev/zero")
    assert used(long, {}).text.endswith("[4,000 more bytes]")
    with pytest.raises(ToolError, match="no-such-thing is not on this machine"):
        used(program(tmp_path, "no-such-thing"), {})


def test_a_program_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """Its children too, and one that ignores the polite signal."""
    script = "trap '' TERM; (trap '' TERM; echo $$ > child; exec sleep 60) & echo $! > child; wait"
    tool = program(tmp_path, "sh", "-c", script, seconds_max=0.5)
    with pytest.raises(ToolError, match=r"sh took longer than 0\.5 s and was ended"):
        used(tool, {})
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    gone = not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
    assert gone or sys.platform == "darwin"


def test_what_it_leaves_behind_goes_with_it(tmp_path: Path) -> None:
    """A program that ends and leaves a child that holds its output is not waited for for ever."""
    tool = program(tmp_path, "sh", "-c", "sleep 60 & echo done", seconds_max=0.5)
    with pytest.raises(ToolError, match="took longer"):
        used(tool, {})


async def cut(tool: Tool) -> None:
    async with asyncio.timeout(0.3):
        await tool.call({}, a_call())


def test_a_run_that_is_cut_leaves_no_program(tmp_path: Path) -> None:
    """Cancelled in the middle, it is ended all the same."""
    tool = program(tmp_path, "sh", "-c", "echo $$ > own; exec sleep 60")
    with pytest.raises(TimeoutError):
        asyncio.run(cut(tool))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "own").read_text()), 0)


def test_labels_say_what_a_program_may_do(tmp_path: Path) -> None:
    """It changes things unless its owner says no, and sends only where it may ask out."""
    reads = {Label.PRIVATE, Label.UNTRUSTED}
    assert program(tmp_path, "ls").needs({}) == reads | {Label.CHANGES}
    assert program(tmp_path, "ls", changes=False).spec.labels == reads
    assert program(tmp_path, "ls", network=True, changes=False).needs({}) == reads | {Label.SENDS}
    assert program(tmp_path, "ls").spec.name == "run_count_words"
    assert not program(tmp_path, "ls").spec.repeatable


def test_a_sandbox_that_is_required_is_there_or_nothing_runs(tmp_path: Path) -> None:
    """On a machine without one the program does not run, and the owner hears what to install."""
    if shutil.which("bwrap") or sys.platform == "darwin":
        assert "hi" in used(program(tmp_path, "echo", "hi", sandbox="required"), {}).text
        return
    with pytest.raises(ToolError, match="needs a sandbox; install bubblewrap"):
        used(program(tmp_path, "echo", "hi", sandbox="required"), {})
    assert used(program(tmp_path, "echo", "hi", sandbox="auto"), {}).text == "hi"


def test_bubblewrap_shows_the_jobs_folder_and_the_system(tmp_path: Path) -> None:
    """No home, no network, our state covered; writing only where the owner says so."""
    state = tmp_path / "state"
    state.mkdir()
    config = tmp_path / "own.toml"
    config.touch()
    box = Box(tmp_path, (state, config, Path("/elsewhere")), writes=False, network=False)
    words = in_bubblewrap("/usr/bin/bwrap", ["/bin/ls", "x"], box=box)
    said = " ".join(words)
    assert words[-3:] == ["--", "/bin/ls", "x"]
    assert f"--ro-bind {tmp_path} {tmp_path} --chdir {tmp_path}" in said
    assert f"--tmpfs {state}" in said
    assert f"--ro-bind /dev/null {config}" in said
    assert "--unshare-all" in words
    assert "--share-net" not in words
    assert "elsewhere" not in said
    open_box = Box(tmp_path, (), writes=True, network=True)
    said = " ".join(in_bubblewrap("bwrap", ["ls"], box=open_box))
    assert f"--bind {tmp_path}" in said
    assert "--share-net" in said


def test_seatbelt_denies_writes_and_network() -> None:
    """A path with a quote in it stays one text of the sandbox's language."""
    root = Path('/Users/me/a"b')
    box = Box(root, (Path("/Users/me/.twotier"),), writes=False, network=False)
    words = in_seatbelt("/usr/bin/sandbox-exec", ["/bin/ls"], box=box)
    assert words[-1] == "/bin/ls"
    rules = words[2]
    assert json.dumps(str(root)) in rules
    assert "(deny network*)" in rules
    assert '(deny file* (subpath "/Users/me/.twotier"))' in rules
    assert f"(allow file-write* (subpath {json.dumps(str(root))}))" not in rules
    open_box = Box(root, (), writes=True, network=True)
    rules = in_seatbelt("sandbox-exec", ["ls"], box=open_box)[2]
    assert f"(allow file-write* (subpath {json.dumps(str(root))}))" in rules
    assert "network" not in rules
