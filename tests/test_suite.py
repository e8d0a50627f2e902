"""What failed beside the others is tried once more by itself, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).resolve().parents[1] / "tools" / "suite.py"
TESTS = """
import pathlib

import pytest


def test_sound():
    pass


@pytest.mark.parametrize("number", range({count}))
def test_unsound(number):
    seen = pathlib.Path(f"seen-{{number}}")
    before = seen.exists()
    seen.touch()
    assert before and {passes}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "passes", "code", "looks"),
    [(1, True, 0, 2), (3, True, 0, 2), (3, False, 1, 2), (4, True, 1, 1)],
)
def test_few_failures_are_looked_at_twice(
    tmp_path: Path, count: int, passes: bool, code: int, looks: int
) -> None:
    """Those that pass alone end well and are named; many, or one that fails again, do not."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    text = TESTS.format(count=count, passes=passes)
    (tmp_path / "test_some.py").write_text(text, encoding="utf-8")
    command = (sys.executable, str(SUITE), "-p", "no:xdist", "-p", "no:cov", "test_some.py")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
    assert done.stdout.count("test session starts") == looks
    named = done.stdout.count("\ntest_some.py::test_unsound[0]\n")
    assert named == looks - 1
