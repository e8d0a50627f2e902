"""`twotier completion`: what a shell needs to complete our words, printed or put where it looks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast, get_args

from cyclopts import App

from twotier.cli.output import say
from twotier.config.write import put_file
from twotier.errors import UsageError

Shell = Literal["bash", "zsh", "fish"]
MODE = 0o644
THEN = {
    "bash": "new shells have it, with bash-completion; without it add to ~/.bashrc: source {}",
    "zsh": "add to ~/.zshrc, before compinit: fpath+=({folder}); then begin a new shell",
    "fish": "new shells have it",
}
# What the library leaves out: zsh calls a file of its `fpath` for the first completion, which would
# only define the function and complete nothing; and what is sourced must say what it is for.
ZSH_END = """
if [[ "${funcstack[1]}" == _twotier ]]; then
  _cyclopts_twotier "$@"
elif (( $+functions[compdef] )); then
  compdef _cyclopts_twotier twotier
fi
"""
# Without a word from us fish offers files everywhere, also where only a command or a name fits.
FILES_AT = ("backup", "restore", "import openclaw", "spend import")  # what they take is a path


def completion(app: App, shell: str, *, install: bool) -> int:
    """Print the script, or write it. A shell's own settings are never changed."""
    named = shell_of(shell, os.environ)
    script = app.generate_completion(prog_name="twotier", shell=named)
    if named == "fish":
        script = files_where_they_fit(script)
    script += ZSH_END if named == "zsh" else ""
    if not install:
        print(script)
        return 0
    path = place(named, os.environ, home=Path.home())
    path.parent.mkdir(parents=True, exist_ok=True)
    put_file(path, script.encode(), mode=MODE)
    print(path)
    say(THEN[named].format(path, folder=path.parent))
    return 0


def files_where_they_fit(script: str) -> str:
    """The script for fish, with files offered where a path is asked for and nowhere else."""
    lines = [
        line if " -F " in line else line.replace(" -r ", " -x ", 1) for line in script.splitlines()
    ]
    at = "complete -c twotier -n '__fish_twotier_using_command {}' -F"
    nowhere_else = ["complete -c twotier -f", *(at.format(command) for command in FILES_AT)]
    return "\n".join([*lines, *nowhere_else, ""])


def shell_of(shell: str, env: Mapping[str, str]) -> Shell:
    """The one that was named, else the person's own. Raises `UsageError` for others."""
    name = shell or Path(env.get("SHELL", "")).name
    if name not in get_args(Shell):
        raise UsageError("name the shell: `twotier completion bash`, zsh or fish")
    return cast("Shell", name)


def place(shell: Shell, env: Mapping[str, str], *, home: Path) -> Path:
    """Where that shell looks for a person's own completions."""
    if shell == "zsh":
        return home / ".zfunc" / "_twotier"
    if shell == "fish":
        config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
        return config / "fish" / "completions" / "twotier.fish"
    data = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    folder = Path(env.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion")
    return folder / "completions" / "twotier"
