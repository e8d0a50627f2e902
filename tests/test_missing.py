"""A part that is missing is a failure under CI and a visible notice elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
SKIPS = """
import pytest

def test_with_an_engine():
    pytest.skip("missing: the engine; run make up")

def test_of_another_system():
    pytest.skip("macOS only")
"""

MODULE_SKIPS = """
import pytest

pytest.skip("missing: what a whole module needs", allow_module_level=True)
"""
WORKERS = pytest.mark.parametrize("workers", [0, 2])


def outcome(folder: Path, *, ci: str, workers: int) -> str:
    """What pytest says about two skipped tests and a skipped module; 0: without workers."""
    (folder / "conftest.py").write_bytes(CONFTEST.read_bytes())
    (folder / "test_skips.py").write_text(SKIPS, encoding="utf-8")
    (folder / "test_module.py").write_text(MODULE_SKIPS, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)]
    command += ["-n", str(workers), "--continue-on-collection-errors"]
    environment = os.environ | {"CI": ci}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout


@pytest.mark.slow
@WORKERS
def test_under_ci_a_missing_part_is_a_failure(tmp_path: Path, workers: int) -> None:
    """Only the reason that begins with `missing:` counts; another system is no failure."""
    said = outcome(tmp_path, ci="true", workers=workers)
    assert "1 failed, 1 skipped, 1 error" in said
    assert "missing: the engine" in said
    assert "missing: what a whole module needs" in said


@pytest.mark.slow
@WORKERS
def test_elsewhere_it_is_said_aloud(tmp_path: Path, workers: int) -> None:
    """A skip is easily overlooked; the notice at the end is not."""
    said = outcome(tmp_path, ci="", workers=workers)
    assert "3 skipped" in said
    _, _, notice = said.partition("NOT TESTED")
    assert "missing: the engine" in notice
    assert "missing: what a whole module needs" in notice
