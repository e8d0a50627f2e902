"""An engine's environment: whole or not there."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from twotier.clock import SystemClock
from twotier.engines import environment
from twotier.errors import EngineError
from twotier.packages import Installer, find_installer


@pytest.fixture(autouse=True)
def _uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installers are none of our lines, and take twice as long where lines are counted."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)


@pytest.fixture(name="lock")
def _lock(tmp_path: Path) -> Path:
    """A lock of one package, made here."""
    wheel = tmp_path / "toy_engine-1.0-py3-none-any.whl"
    info = "toy_engine-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("toy_engine.py", "print('toy engine 1.0')\n")
        made.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-engine\nVersion: 1.0\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "toy.txt"
    lock.write_text(f"{wheel.as_uri()} --hash=sha256:{digest}\n")
    return lock


def ensure(lock: Path, folder: Path, said: list[str], installer: Installer | None = None) -> Path:
    return environment.ensure(
        lock,
        folder,
        installer=installer or find_installer(bars=False),
        clock=SystemClock(),
        say=said.append,
    )


@pytest.mark.slow
def test_two_builders_make_one_environment_that_runs_what_was_locked(
    lock: Path, tmp_path: Path
) -> None:
    """A half-made one is made again, the second builder waits, a whole one is left alone."""
    folder, said = tmp_path / "engines", list[str]()
    target = environment.place(lock, folder)
    half = target.with_name(f"{target.name}.half")
    for left in (half, target):  # as a builder that was killed leaves them
        (left / "bin").mkdir(parents=True)
        (left / "bin" / "python").touch()
    assert environment.python_of(lock, folder) is None
    threads = [threading.Thread(target=ensure, args=(lock, folder, said)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    python = environment.python_of(lock, folder)
    assert python
    assert sum(text.startswith("made in") for text in said) == 1
    assert sum("waiting" in text for text in said) <= 1
    ran = subprocess.run(
        (python, "-I", "-m", "toy_engine"), capture_output=True, text=True, check=True
    )
    assert ran.stdout == "toy engine 1.0\n"
    said.clear()
    assert ensure(lock, folder, said) == python
    assert said == []
    assert not half.exists()


@pytest.mark.slow
def test_a_package_without_its_hash_is_not_installed(lock: Path, tmp_path: Path) -> None:
    """And the error carries the installer's words."""
    lock.write_text(lock.read_text().split()[0] + "\n")
    with pytest.raises(EngineError, match=r"(?s)exit code.*hash"):
        ensure(lock, tmp_path / "engines", [])
    assert environment.python_of(lock, tmp_path / "engines") is None


@pytest.mark.slow
def test_a_failing_uv_is_followed_by_pip(lock: Path, tmp_path: Path) -> None:
    """It may not know the package index that pip is set up for; the log says what happened."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho no index here\nexit 2\n")
    uv.chmod(0o755)
    found = find_installer(bars=False)
    folder = tmp_path / "engines"
    assert ensure(lock, folder, [], Installer(found.python, uv, bars=False)).exists()
    (log,) = folder.glob("*.log")
    assert "trying pip" in log.read_text()
