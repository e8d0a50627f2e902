"""Hours of mixed load with a fault a minute: is anything lost, and does anything grow?

    python -m bench.soak --minutes 120 --rate 2 --seed 7

Progress goes to stderr, the table to stdout, all of it as JSON into the folder. The exit code is 1
if something was lost, hung or did not come back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.figures import lines
from tests.faults.soak_world import soak_world
from tests.faults.soaking import Length, Soak

# What main keeps of requests is bounded, and the last of it (`REQUESTS_REMEMBERED_MAX`) is full
# after 5,000 of them: only then can be seen whether anything grows.
WARM_UP_REQUESTS = 8_000


def main() -> int:
    """Run it and say what was seen."""
    given = arguments()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="twotier-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    length = Length(given.minutes * 60, given.rate, given.fault_seconds, given.sample_seconds)
    warm_up = min(WARM_UP_REQUESTS / length.rate, length.seconds / 2)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # fakes whose callers leave
    say(f"soak of {given.minutes:g} minutes, seed {given.seed}, in {folder}")
    with soak_world(folder, seed=given.seed, every_seconds=length.fault_seconds) as world:
        soak = Soak(world, length, given.seed, say)
        asyncio.run(soak.run())
        told = soak.told(warm_up)
        told["lost"] = world.look()
    told["samples"] = [
        [life.name, life.pid, one.at_seconds, one.rss_megabytes, one.descriptors, one.threads]
        for life in soak.lives
        for one in life.samples
    ]
    (folder / "soak.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    print(summary(told))
    return 1 if told["lost"] or told["trouble"] else 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--rate", type=float, default=2.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fault-seconds", type=float, default=60.0, help="between two faults")
    parser.add_argument("--sample-seconds", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, default=None)
    return parser.parse_args()


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def summary(told: dict[str, Any]) -> str:
    """What a person reads: the verdict first."""
    bad = [*told["lost"], *told["trouble"]]
    rows: list[tuple[str, ...]] = [
        ("process", "minutes", "RSS MB warm", "last", "MB/h", "fds", "fds/h", "threads")
    ]
    rows += map(row, told["lives"])
    asked = f"{told['requests']} requests, {told['files']} files, {told['faulted']} faults"
    parts = [
        f"Nothing was lost in {told['minutes']:g} minutes." if not bad else "\n".join(bad),
        f"{asked}, seed {told['seed']}; main was back after {told['main_back_seconds']} s",
        f"seen: {told['seen']}",
        f"faults: {told['faults']}; pages: {told['pages']}",
        lines(rows),
        "Descriptors and threads: first, least, median, most, last after the warm-up.",
    ]
    return "\n\n".join(parts)


def row(life: dict[str, Any]) -> tuple[str, ...]:
    """A process in the table."""
    memory = ("rss_megabytes_warm", "rss_megabytes_last", "rss_megabytes_per_hour")
    return (
        f"{life['name']} {life['pid']}",
        *(str(life[key]) for key in ("minutes", *memory)),
        " ".join(map(str, life["descriptors"])),
        str(life["descriptors_per_hour"]),
        " ".join(map(str, life["threads"])),
    )


if __name__ == "__main__":
    sys.exit(main())
