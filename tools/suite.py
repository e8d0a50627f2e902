"""The whole suite; the few tests that failed beside the others are tried once more by themselves.

    python tools/suite.py PYTEST-OPTIONS...

Why, and what it may hide: docs/decisions/second-look.md. The exit code is pytest's: of the first
run, or where at most `TESTS_MAX` failed, of the second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(".cache/pytest")
FAILED = CACHE / "v" / "cache" / "lastfailed"
TESTS_MAX = 3


def main(options: Sequence[str]) -> int:
    """Run them. Nothing but failed tests is looked at twice: not an error of pytest itself."""
    code = pytest(*options, "--cache-clear")
    failed = sorted(json.loads(FAILED.read_text(encoding="utf-8"))) if FAILED.exists() else []
    if code != 1 or not 0 < len(failed) <= TESTS_MAX:
        return code
    print("\nThese failed beside the others; what passes by itself is unsteady, and to be mended:")
    print("\n".join(failed), flush=True)
    return pytest(*failed)


def pytest(*words: str) -> int:
    """One run, in its own process."""
    command = (sys.executable, "-m", "pytest", "-o", f"cache_dir={CACHE}", *words)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
