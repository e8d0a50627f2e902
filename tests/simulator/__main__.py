"""Replays one day and prints its trace: `python -m tests.simulator 1234`, or `17 30` for a range.

Of a range only what fails is printed, by its seed. Ends with 1 where anything failed.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.simulator.day import Day


def lived(seed: int, *, planted: str = "") -> tuple[Day, str]:
    """The day of a seed, and what was wrong with it; empty for nothing."""
    memory = Path("/dev/shm")  # where there is such a disk, a day need not wait for a real one
    place = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="twotier-day-", dir=place) as folder:
        day = Day(seed, Path(folder), planted)
        try:
            day.run()
        except AssertionError:
            return day, traceback.format_exc()
        return day, ""


def main(arguments: list[str]) -> int:
    """One day in full, or many in short."""
    logging.disable()
    first, last = int(arguments[0]), int(arguments[-1])
    failed = 0
    for seed in range(first, last + 1):
        began = time.process_time()
        day, wrong = lived(seed)
        failed += bool(wrong)
        if first == last:
            print("\n".join(day.trace))
        if wrong:
            print(f"seed {seed}: {wrong}", flush=True)
        if first == last or wrong or os.environ.get("PROGRESS"):
            seconds, steps = time.process_time() - began, day.universe.steps
            print(f"seed {seed}: {steps} steps, {seconds:.2f} s, {day.digest}", flush=True)
    print(f"{last - first + 1} days, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
