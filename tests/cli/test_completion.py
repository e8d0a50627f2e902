"""Completion, in a real bash."""

from __future__ import annotations

import shutil
import subprocess
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


def test_the_shell_is_ones_own_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run(["completion"]) == 0
    assert "complete -c twotier" in capsys.readouterr().out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run(["completion"]) == 2
    assert "`twotier completion bash`" in capsys.readouterr().err
