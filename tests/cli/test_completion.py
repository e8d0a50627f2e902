"""Completion, in a real bash, zsh and fish."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from twotier.cli import run

TRY = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
completes=$(complete -p twotier); completes=${completes##*-F }; ${completes%% *}
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `--install` writes it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in ("XDG_DATA_HOME", "BASH_COMPLETION_USER_DIR", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        for shell in ("bash", "zsh", "fish"):
            assert run(["completion", shell, "--install"]) == 0
    assert (home / ".zfunc" / "_twotier").is_file()
    assert (home / ".config" / "fish" / "completions" / "twotier.fish").is_file()
    return home / ".local" / "share" / "bash-completion" / "completions" / "twotier"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("twotier stat", {"status"}),
        ("twotier job re", {"resume", "reload", "resume-run", "revert"}),
        ("twotier route --ki", {"--kind"}),
        ("twotier init --mode ", {"both", "local", "frontier", "none"}),
        ("twotier --config x stat", {"status"}),
    ],
)
def test_bash_completes_what_was_begun(script: Path, typed: str, offered: set[str]) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", TRY, "bash", str(script), *typed.split(" ")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(done.stdout.split()) == offered


def offered_by_fish(script: Path, typed: str) -> list[str]:
    """The words it would show."""
    home = script.parents[4]
    program = home / "bin" / "twotier"  # fish completes no command that is not there
    program.parent.mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    done = subprocess.run(
        ["fish", "-c", f"complete -C '{typed}'"],
        env={"HOME": str(home), "PATH": f"{program.parent}{os.pathsep}{os.defpath}"},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("twotier stat", "status"), ("twotier job re", "revert"), ("twotier route --ki", "--kind")],
)
def test_fish_completes_what_was_begun(script: Path, typed: str, offered: str) -> None:
    assert offered in offered_by_fish(script, typed)


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.parametrize(
    ("typed", "fits"),
    [
        ("twotier ", False),
        ("twotier status ", False),
        ("twotier job ", False),
        ("twotier ask --model ", False),
        ("twotier ask --file ", True),
        ("twotier backup ", True),
        ("twotier restore ", True),
        ("twotier import openclaw ", True),
        ("twotier spend import ", True),
    ],
)
def test_fish_offers_files_only_where_one_fits(script: Path, typed: str, fits: bool) -> None:
    (script.parents[4] / "a-file.txt").touch()
    assert ("a-file.txt" in offered_by_fish(script, typed)) == fits


ZSH = "fpath=($HOME/.zfunc $fpath); autoload -U compinit; compinit -u -D; PS1=; print be''gin\n"
# Without its `fpath`: the same text, sourced.
SOURCED = "autoload -U compinit; compinit -u -D; . $HOME/.zfunc/_twotier; PS1=; print be''gin\n"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
@pytest.mark.parametrize("begins", [ZSH, SOURCED], ids=["fpath", "sourced"])
def test_zsh_completes_what_was_begun(script: Path, begins: str) -> None:
    """In a terminal, since its completion lives in the line editor; the very first Tab works."""
    home = script.parents[4]
    ours, theirs = pty.openpty()
    env = {"HOME": str(home), "PATH": os.defpath, "TERM": "xterm"}
    with subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=home
    ) as shell:
        os.close(theirs)
        typed(ours, begins, until="begin")
        typed(ours, "twotier stat\t", until="status")
        typed(ours, "\x15twotier job rever\t", until="revert")
        typed(ours, "\x15twotier route --ki\t", until="--kind")
        shell.kill()
    os.close(ours)


def typed(terminal: int, text: str, *, until: str) -> None:
    """Type it and wait for what it brings about."""
    os.write(terminal, text.encode())
    seen, end = "", time.monotonic() + 60
    while until not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 4096).decode(errors="replace")


def test_the_shell_is_ones_own_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run(["completion"]) == 0
    assert "complete -c twotier" in capsys.readouterr().out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run(["completion"]) == 2
    assert "`twotier completion bash`" in capsys.readouterr().err
