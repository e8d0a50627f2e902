"""All faults in one run, and the table of what was seen."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.faults import crowd, hang, kills, leaving, lies, race, slow, storm
from bench.faults.counts import SHORT, WHOLE, Counts
from bench.faults.page import rows, table, write
from bench.faults.stand import Stand, stood
from bench.figures import Figure
from bench.peers import told
from bench.processes import load

# Before one upstream, one after the other; the loud ones at the end.
TOGETHER: dict[str, Callable[[Stand, Path, Counts], Iterable[Figure]]] = {
    "lies": lambda stand, _, counts: lies.figures(stand, counts.lies),
    "leaving": lambda stand, _, counts: leaving.figures(stand, counts.leavers),
    "storm": lambda stand, _, counts: storm.figures(stand, counts),
    "hang": lambda stand, folder, _: hang.figures(stand, folder),
    "slow": lambda stand, _, counts: slow.figures(stand, counts),
    "crowd": lambda stand, _, counts: crowd.figures(stand, counts.streams),
}
ALONE: dict[str, Callable[[Path, Counts], Iterable[Figure]]] = {
    "race": lambda folder, counts: race.figures(folder, counts.race),
    "kills": kills.figures,
}


def figures(folder: Path, names: Sequence[str] = (), counts: Counts = WHOLE) -> Iterator[Figure]:
    """Those that are named, or all. Raises `KeyError` for a name that is none."""
    wanted = names or [*TOGETHER, *ALONE]
    if strange := set(wanted) - {*TOGETHER, *ALONE}:
        raise KeyError(f"there is no {', '.join(strange)}; there are {[*TOGETHER, *ALONE]}")
    if together := [name for name in wanted if name in TOGETHER]:
        with stood(folder / "stand") as stand:
            yield from told(stand.troupe)
            for name in together:
                yield from timed(name, TOGETHER[name](stand, folder / name, counts))
    for name in wanted:
        if name in ALONE:
            yield from timed(name, ALONE[name](folder / name, counts))


def timed(name: str, seen: Iterable[Figure]) -> Iterator[Figure]:
    """How long it took is told on stderr."""
    began = time.monotonic()
    yield from seen
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def main(words: Sequence[str]) -> None:
    """The table on stdout, or in the page; progress on stderr."""
    names = [word for word in words if not word.startswith("-")]
    folder = Path(tempfile.mkdtemp(prefix="twotier-faults-"))
    began, before = time.monotonic(), load()
    seen = []
    try:
        for figure in figures(folder, names, SHORT if "--short" in words else WHOLE):
            print(f"{figure.name}: {figure.seen}", file=sys.stderr, flush=True)
            seen.append(figure)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    took = time.monotonic() - began
    measured = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores {platform.machine()},"
        f" {platform.system()}, Python {platform.python_version()}; {before}, at the end {load()};"
        f" `python -m bench.faults {' '.join(words)}`".rstrip()
        + f", {took / 60:.0f} minutes."
    )
    print(f"{table(rows(seen))}\n\n{measured}")
    if "--write" in words:
        write(seen, measured, whole=not names)
