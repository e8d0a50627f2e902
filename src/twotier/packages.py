"""Hashed packages onto this machine, by uv where it is found, else by pip. A leaf.

Both honour the machine's own settings for package indexes; when uv fails (it does not read pip's
settings), pip is tried too, and that is said. Nothing is ever installed without a hash, and pip
never builds from source: what runs is what was locked.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twotier.errors import EngineError

INSTALL_SECONDS_MAX = 1800.0
LINES_SHOWN = 15

# Nothing without a hash, nothing from source; a lock is complete, so nothing is looked up either.
_LOCKED = ("--require-hashes", "--only-binary=:all:", "--no-deps")
# Of some ten thousand modules an engine loads a tenth; pip would compile them all.
_BY_PIP = ("install", *_LOCKED, "--no-compile", "--no-input")

Say = Callable[[str], None]

# Installers get the whole environment (proxies, index settings), but nothing that moves Python.
_MOVES_PYTHON = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET")


@dataclass(frozen=True, slots=True)
class Installer:
    """Where packages come from. `uv` None: use pip. `bars`: its own progress may be seen."""

    python: Path
    uv: Path | None
    bars: bool

    def environment(self, folder: Path, lock: Path, *, log: Path) -> None:
        """Make a virtual environment with what the lock says. Raises `EngineError`."""
        inner = str(folder / "bin" / "python")
        self._either(
            [
                ("venv", "--quiet", "--python", str(self.python), str(folder)),
                ("pip", "install", *_LOCKED, "--python", inner, "-r", str(lock)),
            ],
            self._by_pip(folder, inner, lock=lock),
            folder=folder,
            log=log,
        )

    def _by_pip(self, folder: Path, inner: str, *, lock: Path) -> list[tuple[str, ...]]:
        """With our own pip where we have one: to unpack another takes three seconds."""
        python, what = str(self.python), (*_BY_PIP, "-r", str(lock))
        if importlib.util.find_spec("pip") is None:
            return [(python, "-m", "venv", str(folder)), (inner, "-m", "pip", *what)]
        return [
            (python, "-m", "venv", "--without-pip", str(folder)),
            (python, "-m", "pip", "--python", inner, *what),
        ]

    def unpack(self, lock: Path, folder: Path, *, log: Path) -> None:
        """Lay the locked packages' files into a folder, without what they depend on."""
        python = str(self.python)
        target = ("--target", str(folder), "-r", str(lock))
        self._either(
            [("pip", "install", *_LOCKED, "--python", python, *target)],
            [(python, "-m", "pip", *_BY_PIP, *target)],
            folder=folder,
            log=log,
        )

    def _either(
        self,
        by_uv: Sequence[tuple[str, ...]],
        by_pip: Sequence[tuple[str, ...]],
        *,
        folder: Path,
        log: Path,
    ) -> None:
        """By uv if there is one; by pip if there is none or it fails."""
        if self.uv is not None:
            try:
                self._run([(str(self.uv), *command) for command in by_uv], log=log)
            except EngineError as exc:
                with log.open("a", encoding="utf-8") as file:
                    file.write(f"uv did not do it, trying pip: {exc.message}\n")
            else:
                return
        shutil.rmtree(folder, ignore_errors=True)
        self._run(by_pip, log=log)

    def _run(self, commands: Sequence[tuple[str, ...]], *, log: Path) -> None:
        for command in commands:
            code = _visible(command) if self.bars else _logged(command, log)
            if code:
                raise EngineError(_failure(command, code, log=log))


def find_installer(*, bars: bool) -> Installer:
    """Uv from beside our own python or from PATH; pip otherwise."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    return Installer(python=Path(sys.executable), uv=Path(found) if found else None, bars=bars)


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if name not in _MOVES_PYTHON}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _visible(command: tuple[str, ...]) -> int:
    """With its own progress bars, on stderr: stdout is for data."""
    return _wait(subprocess.Popen(command, env=_clean(os.environ), stdout=sys.stderr.fileno()))


def _logged(command: tuple[str, ...], log: Path) -> int:
    with log.open("ab") as file:
        env = _clean(os.environ)
        return _wait(subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT))


def _wait(child: subprocess.Popen[bytes]) -> int:
    with child:
        try:
            return child.wait(INSTALL_SECONDS_MAX)
        except BaseException:  # Ctrl-C or the limit: no installer may go on behind our back
            child.kill()
            raise


def _failure(command: tuple[str, ...], code: int, *, log: Path) -> str:
    said = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    tail = "\n".join(f"  {line}" for line in said[-LINES_SHOWN:])
    text = f"`{' '.join(command[:4])} ...` failed with exit code {code}"
    return f"{text}; is a package index reachable?" + (f" It said:\n{tail}" if tail else "")
