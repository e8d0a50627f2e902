"""What a person gets on the disk: a fresh environment from the hashed lock, nothing else in it."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, missing
from bench.processes import MEGABYTE
from bench.service import ROOT

INSTALL_SECONDS_MAX = 150.0


def figures(folder: Path) -> Iterator[Figure]:
    """Packages and megabytes; needs a package index."""
    target = folder / "environment"
    # Without pip inside, which is no part of what we bring.
    venv.create(target, with_pip=False, symlinks=True)
    command = (
        *(sys.executable, "-m", "pip", "--python", str(target / "bin" / "python")),
        *("install", "--quiet", "--require-hashes", "--only-binary", ":all:"),
        *("-r", str(ROOT / "locks" / "base.txt")),
    )
    name = "base install"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        yield missing(name, f"not installed within {INSTALL_SECONDS_MAX:.0f} s")
        return
    if done.returncode:
        yield missing(name, done.stderr.strip().splitlines()[-1])
        return
    site = next(target.glob("lib/python*/site-packages"))
    ours = ROOT / "src" / "twotier"
    size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    size += sum(file.stat().st_size for file in ours.rglob("*.py"))
    yield Figure(f"{name}: packages", "<= 65", str(sum(1 for _ in site.glob("*.dist-info")) + 1))
    yield Figure(f"{name}: size", "<= 150 MB", f"{size / MEGABYTE:.0f} MB, compiled files included")
