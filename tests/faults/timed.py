"""`twotier` whose clock a test sets, its worker's too; all else is the real thing.

    LD_PRELOAD=libfaketime.so.1 python -m tests.faults.timed --config PATH up

Children are not told of our environment; here they hear of libfaketime's words as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twotier.cli import run
from twotier.supervisor import process

ROOT = Path(__file__).resolve().parents[2]
WORDS = (
    "LD_PRELOAD",
    "FAKETIME_TIMESTAMP_FILE",
    "FAKETIME_CACHE_DURATION",
    "FAKETIME_DONT_FAKE_MONOTONIC",
    "DONT_FAKE_MONOTONIC",
)
PLACES = ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")


def library() -> Path | None:
    """Where libfaketime lies, if it is here (`apt-get install libfaketime`)."""
    for place in map(Path, PLACES):
        for found in sorted(place.glob("**/faketime/libfaketime.so.1")):
            return found
    return None


class Clock:
    """The clock of the processes that have these words in their environment: set at any time."""

    def __init__(self, folder: Path, preload: Path) -> None:
        self._file = folder / "clock"
        self.set("+0s")
        self.env = {
            "LD_PRELOAD": str(preload),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
        }

    def set(self, by: str) -> None:
        """So far from the real time, as `+1d`, `-1h`; it is so within a second or two."""
        half = self._file.with_suffix(".new")
        half.write_text(by + "\n", encoding="ascii")
        half.replace(self._file)

    def works(self) -> bool:
        """Whether a process with this environment sees another time, and the same seconds pass."""
        self.set("-1d")
        look = "import time; print(time.time(), time.monotonic())"
        command = (sys.executable, "-c", look)
        try:
            there = subprocess.run(
                command, env={**os.environ, **self.env}, capture_output=True, text=True, check=True
            )
            here = subprocess.run(command, capture_output=True, text=True, check=True)
        finally:
            self.set("+0s")
        wall, monotonic = (
            float(a) - float(b)
            for a, b in zip(here.stdout.split(), there.stdout.split(), strict=True)
        )
        return abs(wall - 86_400) < 60 and abs(monotonic) < 60


if __name__ == "__main__":
    process.INHERITED = (*process.INHERITED, *WORDS)
    sys.exit(run(sys.argv[1:]))
