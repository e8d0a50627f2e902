"""F20: a fuzzer that sees which lines its inputs reach finds no undeclared error.

Short: the same 12,000 tries each time over all readers. With SOAK=1 each has a minute of its own,
or FUZZ_SECONDS. What it finds lies under pytest's folder, and goes into `test_foreign.CRASHED`.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.fixtures import CACHE, require, say
from tests.faults.foreign import TARGETS
from twotier.clock import SystemClock
from twotier.engines import environment
from twotier.errors import EngineError
from twotier.packages import find_installer

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("atheris.txt")
SOAK = bool(os.environ.get("SOAK"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
RUNS = 0 if SOAK else 12_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200 if SOAK else 900)]


def site() -> Path:
    """Where atheris is installed, made first if need be."""
    wheels = sys.platform == "linux" and platform.machine() == "x86_64"
    if not wheels or sys.version_info >= (3, 14):
        pytest.skip(
            "atheris has no wheel for this system and Python; see docs/decisions/atheris.md"
        )
    try:
        python = environment.ensure(
            LOCK,
            CACHE / "atheris",
            installer=find_installer(bars=False),
            clock=SystemClock(),
            say=say,
        )
    except EngineError as exc:
        require(f"no environment for atheris: {exc.message}")
    (found,) = python.parents[1].glob("lib/python3.*/site-packages")
    return found


def test_a_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """And it has really looked: its own count of tries is told."""
    command = [
        *(sys.executable, "-m", "tests.faults.fuzzing", str(site()), str(tmp_path / "inputs")),
        *(str(RUNS), str(SECONDS)),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(["src", "."])},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    tries = [int(found) for found in re.findall(r"^Done (\d+) runs", done.stderr, re.MULTILINE)]
    say(f"atheris: {sum(tries):,} tries over {len(TARGETS)} readers")
    assert done.returncode == 0, done.stderr[-6_000:]
    assert len(tries) == (len(TARGETS) if SOAK else 1)
    assert sum(tries) >= RUNS
