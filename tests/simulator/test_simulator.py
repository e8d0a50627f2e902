"""Simulated days: many seeds keep every promise, a seed is a day for ever, bugs are found."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from tests.simulator.__main__ import lived
from tests.simulator.planted import BUGS

SOAK = bool(os.environ.get("SOAK"))
ROOT = Path(__file__).resolve().parents[2]
SEEDS = 1_000 if SOAK else 50
PARTS = 10  # so that several processes can share them
FOUND_WITHIN = 40


@pytest.mark.slow
@pytest.mark.timeout(14_400 if SOAK else 600)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_day_keeps_every_promise(part: int) -> None:
    """Kills, storms, hangs, full disks, odd clocks, clients that leave: nothing is lost."""
    for seed in range(part, SEEDS, PARTS):
        day, wrong = lived(seed)
        assert not wrong, f"`make simulate SEED={seed}` replays it ({day.digest}):\n{wrong}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_seed_is_the_same_day_in_every_process() -> None:
    """Byte for byte, also where another process hashes its strings otherwise."""
    day, wrong = lived(7)
    assert not wrong
    env = {**os.environ, "PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-m", "tests.simulator", "7"]
    told = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    lines = told.stdout.splitlines()
    assert lines[:-1] == day.trace
    assert lines[-1].endswith(day.digest)
    assert lived(8)[0].digest != day.digest


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    """The checks can fail, each for what it is there for."""
    found = next(seed for seed in count() if seed > FOUND_WITHIN or lived(seed, planted=bug)[1])
    assert found <= FOUND_WITHIN, f"{FOUND_WITHIN} days did not show that {bug}"
