"""`make bench-peers` installs the peers; `make bench` starts those that are here, side by side.

    python -m bench.peers [NAME...]

Each has a folder of its own below `.cache/peers` (or below `BENCH_PEERS`, where they may lie in
folders of any names), and nothing of it comes into `.venv`. The versions stand in `peers.toml`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from bench.figures import Figure, Other, missing
from bench.gateways import GATEWAYS, Gateway, Plan, Seat
from bench.load import LoadError
from bench.service import ROOT, accepts, free_port
from bench.stage import BARE, Side, Troupe, Way, prove
from twotier import __version__

PINS = Path(__file__).with_name("peers.toml")
START_SECONDS_MAX = 90.0  # LiteLLM takes 7 s of CPU time, and machines are shared
STOP_SECONDS = 10.0
NOT_INSTALLED = "not installed"
INSTALL_SECONDS_MAX = 900.0
ARGUMENTS = ("--quiet", "--only-binary", ":all:")


def folder() -> Path:
    """Where they are."""
    # Environments name their own place: it must not be a link that may go.
    return Path(os.environ.get("BENCH_PEERS") or ROOT / ".cache" / "peers").resolve()


@dataclass(slots=True)
class Started:
    """One that was started."""

    gateway: Gateway
    plan: Plan
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def answers(self) -> bool:
        """It listens."""
        if self.plan.port_file is not None:
            if not self.plan.port_file.exists():
                return False
            self.port = int(self.plan.port_file.read_text(encoding="ascii") or 0)
        return bool(self.port) and accepts(self.port)

    def pids(self) -> Sequence[int]:
        """Its processes, workers and all."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [self.process.pid, *(child.pid for child in children)]

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Awake while it is asked. It stands still else: some are busy while nobody asks, and all
        have their place in the caches.
        """
        self.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.signal(signal.SIGSTOP)

    def signal(self, number: int) -> None:
        """To all its processes."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """With -9, workers and all."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def started(
    home: Path, upstream_port: int, *, gateways: Sequence[Gateway] = GATEWAYS
) -> Iterator[Troupe]:
    """Those of them that are here, started together; ended together."""
    left_out: dict[str, str] = {}
    versions: dict[str, str] = {}
    running: list[Started] = []
    try:
        for gateway in gateways:
            found = gateway.found(folder())
            if found is None:
                left_out[gateway.name] = NOT_INSTALLED
                continue
            try:
                versions[gateway.name] = gateway.version(found)
                running.append(start(gateway, found, home / gateway.name, upstream_port))
            except OSError as exc:  # an environment that was moved names a Python that is gone
                left_out[gateway.name] = f"does not start: {exc}; run `make bench-peers` again"
        sides = []
        for one in running:
            try:
                sides.append(ready(one))
            except (TimeoutError, LoadError, AssertionError, OSError) as exc:
                left_out[one.gateway.name] = f"does not answer: {exc}"[:300]
        for one in running:
            if one.gateway.name not in left_out:
                one.signal(signal.SIGSTOP)
        yield Troupe(sides, left_out, versions)
    finally:
        for one in running:
            one.stop()


def told(troupe: Troupe) -> Iterator[Figure]:
    """Who is measured beside us, and who is not."""
    versions = {side.name: Other(None, troupe.versions[side.name]) for side in troupe.sides}
    # The first row sets the order of the columns.
    yield Figure("version", "", __version__, {BARE: Other(None, ""), **versions})
    absent = [name for name, because in troupe.left_out.items() if because == NOT_INSTALLED]
    if absent:
        yield Figure("peers not installed (`make bench-peers`)", "", ", ".join(absent))
    for name, because in troupe.left_out.items():
        if because != NOT_INSTALLED:
            yield missing(f"beside {name}", because)


def start(gateway: Gateway, found: Path, home: Path, upstream_port: int) -> Started:
    """Its process, in a folder of its own."""
    home.mkdir(parents=True)
    seat = Seat(home, free_port(), free_port(), upstream_port, free_port())
    plan = gateway.plan(found, seat)
    path = home / "log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            plan.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env={**os.environ, **plan.environment},
        )
    port = 0 if plan.port_file is not None else seat.port
    return Started(gateway, plan, process, port, path)


def ready(one: Started) -> Side:
    """Once it answers as it should. Raises TimeoutError and what `prove` raises."""
    end = time.monotonic() + START_SECONDS_MAX
    while not one.answers():
        if one.process.poll() is not None or time.monotonic() > end:
            raise TimeoutError(one.log.read_text(encoding="utf-8", errors="replace")[-300:])
        time.sleep(0.05)
    routes = one.plan.routes(one.port)
    side = Side(one.gateway.name, routes, one.pids, one.turn, one.gateway.slow)
    while True:
        try:
            prove(side, only=("chat",))
            break
        except (LoadError, OSError):  # it listens before it can answer
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
    return replace(side, routes={way: side.routes[way] for way in side.routes if able(side, way)})


def able(side: Side, way: Way) -> bool:
    """A way that a peer cannot go is left out, and said on stderr."""
    if way == "fallback":  # it may take long, and is asked once
        return True
    try:
        prove(side, only=(way,))
    except (LoadError, AssertionError) as exc:
        print(f"{side.name} is not asked in the way {way}: {exc}"[:400], file=sys.stderr)
        return False
    return True


def install(name: str, pins: Mapping[str, Sequence[str]]) -> str:
    """Into its folder. Returns what went wrong, empty for nothing."""
    home = folder() / name
    if "npm" in pins:
        npm = shutil.which("npm")
        if npm is None:
            return "needs Node and npm"
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "package.json").exists():
            (home / "package.json").write_text('{"private": true}', encoding="utf-8")
        return run(npm, "install", "--prefix", str(home), "--no-fund", "--no-audit", *pins["npm"])
    # From nothing: what lies there may have been made in another place, and names it.
    venv.create(home, with_pip=True, symlinks=True, clear=True)
    return run(str(home / "bin" / "python"), "-m", "pip", "install", *ARGUMENTS, *pins["pip"])


def run(*command: str) -> str:
    """Its last words where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done within {INSTALL_SECONDS_MAX:.0f} s"
    said = (done.stderr or done.stdout).strip().splitlines() or ["it failed"]
    return said[-1] if done.returncode else ""


def main() -> int:
    """Install those that are named, or all. One that fails does not stop the others."""
    pinned = tomllib.loads(PINS.read_text(encoding="utf-8"))
    failed = 0
    for name in sys.argv[1:] or list(pinned):
        print(f"{name}: {', '.join(*pinned[name].values())}", flush=True)
        if trouble := install(name, pinned[name]):
            failed += 1
            print(f"{name}: not installed: {trouble}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
