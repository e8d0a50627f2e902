"""How fast it starts, what it uses while nothing happens, what `twotier status` costs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, median, missing, spread
from bench.processes import cpu_seconds, rss_megabytes
from bench.service import ROOT, Service
from twotier.config import starter
from twotier.engines.base import engine, lock_path
from twotier.engines.environment import python_of
from twotier.models.starter import present

CACHE = ROOT / ".cache"
STARTS = 3
IDLE_SECONDS = 10.0
SETTLE_SECONDS = 2.0  # after the first token: migrations, first probes and first looks are over
STATUS_CALLS = 10
IMPORTS_SHOWN = 10
IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)")

FRONTIER = """
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
key = "env:FRONTIER_KEY"
base_url = "http://127.0.0.1:9"
"""


def figures(folder: Path) -> Iterator[Figure]:
    """All of them; about a minute and a half."""
    yield from starts("the frontier alone", Service(folder / "bare", FRONTIER, cache=CACHE))
    yield from idle_and_status(Service(folder / "bare", FRONTIER, cache=CACHE), "no engine", ())
    lock = lock_path(engine("llama_cpp").traits)
    if python_of(lock, CACHE / "engines") is None or present(CACHE / "models") is None:
        yield missing("with the starter", "it is not in .cache; `make test` puts it there")
        return
    configuration = starter.starter_toml()
    (folder / "starter").mkdir()
    for name in starter.FOLDERS:
        (folder / "starter" / name).mkdir()
    yield from starts("the starter", Service(folder / "starter", configuration, cache=CACHE))
    service = Service(folder / "starter", configuration, cache=CACHE)
    yield from idle_and_status(service, "the starter", ("local",))


def starts(name: str, service: Service) -> Iterator[Figure]:
    """From the command to an open port, not counting the very first time."""
    wall, used = [], []
    for number in range(STARTS + 1):
        with service:
            if number:
                wall.append(service.seconds_to_listening)
                used.append(service.cpu_seconds_to_listening)
            service.wait_ready()
    yield Figure(
        f"`up` to listening, {name}",
        "< 1.5 s",
        f"{spread(wall, '.2f')} s, of it {median(used):.2f} s CPU of main",
    )


def idle_and_status(service: Service, name: str, ready: tuple[str, ...]) -> Iterator[Figure]:
    """Ten seconds in which nobody asks for anything; then `twotier status`, some times."""
    with service:
        service.wait_ready(*ready)
        time.sleep(SETTLE_SECONDS)
        pids = {"main": service.pid, "worker": service.worker_pid}
        before = {who: cpu_seconds(pid) for who, pid in pids.items()}
        time.sleep(IDLE_SECONDS)
        for who, pid in pids.items():
            percent = (cpu_seconds(pid) - before[who]) / IDLE_SECONDS * 100
            aim = "< 120 MB, < 1 %" if who == "main" else ""
            seen = f"{rss_megabytes(pid):.0f} MB, {percent:.2f} % of a core"
            yield Figure(f"{who} idle, {name}", aim, seen)
        costs = [status_seconds(service.config) * 1000 for _ in range(STATUS_CALLS)]
        yield Figure(f"`twotier status`, {name}: CPU", "< 150 ms", f"{spread(costs)} ms")


def status_seconds(config: Path) -> float:
    """CPU time of one `twotier status`, user and system."""
    command = (sys.executable, "-m", "twotier", "--config", str(config), "status")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, code, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        raise RuntimeError(f"twotier status ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def imports() -> list[tuple[str, float]]:
    """Milliseconds that main's imports take, by the package that was imported."""
    done = subprocess.run(
        (sys.executable, "-X", "importtime", "-c", "import twotier.cli.up, twotier.app"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    sums: Counter[str] = Counter()
    for micro, package in IMPORT_LINE.findall(done.stderr):
        sums[package] += int(micro)
    everything = ("all of them", sum(sums.values()) / 1000)
    return [everything, *((name, micro / 1000) for name, micro in sums.most_common(IMPORTS_SHOWN))]
