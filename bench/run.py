"""`make bench`: every figure, one table. Figures are reported, never asserted."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import decision, failover, install, jobs, ledger, normal, pages, relay, start
from bench.faults import every as faults
from bench.figures import Figure, absolute, table
from bench.processes import load
from bench.routing import every, regret


def main() -> None:
    """Measure, and print as Markdown. Progress goes to stderr."""
    began, before = time.monotonic(), load()
    folder = Path(tempfile.mkdtemp(prefix="twotier-bench-"))
    groups: dict[str, Callable[[], Iterable[Figure]]] = {
        "decision": decision.figures,
        "normal": normal.figures,
        "relay": lambda: relay.figures(folder),
        "failover": lambda: failover.figures(folder),
        "ledger": lambda: ledger.figures(folder),
        "pages": lambda: pages.figures(folder),
        "start": lambda: start.figures(folder),
        "jobs": lambda: jobs.figures(folder),
        "install": lambda: install.figures(folder),
        "routing": every.figures,
        "regret": regret.figures,
        "faults": lambda: faults.figures(folder / "faults"),
    }
    # Faults take as long as all the others: only where they are named.
    wanted = sys.argv[1:] or [name for name in groups if name != "faults"]
    seen: list[Figure] = []
    try:
        for name in wanted:
            for figure in groups[name]():
                print(f"{name}: {figure.name}: {figure.seen}", file=sys.stderr, flush=True)
                seen.append(figure)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"twotier, and how many times the others it is.\n\n{table(seen)}")
    if any(one.beside for one in seen):
        print(f"\nThe same rounds in absolute figures: median (least).\n\n{absolute(seen)}")
    if "start" in wanted:
        told = ", ".join(f"{package} {milli:.0f}" for package, milli in start.imports())
        print(f"\nWhere the start goes, imports of main in ms (the stopwatch included): {told}.")
    took = time.monotonic() - began
    print(
        f"\nPython {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {before}, at the end {load()}; medians, least and most in brackets; {took:.0f} s in all"
    )


if __name__ == "__main__":
    main()
