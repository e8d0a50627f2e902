"""Disk full at each of the first 200 pages that are written: nothing is paid for without a row."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERY = 1 if os.environ.get("SOAK") else 10


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_page_costs_nothing_without_a_row(tmp_path: Path) -> None:
    """A clear 503, recovery by itself, and in the end one settled row for each paid answer."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.ledger.full", str(tmp_path), "200", str(EVERY)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110 * 10 // EVERY,
        check=False,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = re.search(r"(\d+) full disks, (\d+) refused before they were sent, (\d+)", done.stdout)
    assert told is not None
    disks, unsent, paid = map(int, told.groups())
    assert disks == 200 // EVERY
    assert 0 < unsent <= disks
    assert paid >= 2 * disks
