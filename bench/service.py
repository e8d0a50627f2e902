"""`twotier up` in a folder of its own, as the figures need it."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.processes import cpu_seconds
from twotier.cli.client import Peer
from twotier.config.paths import Paths
from twotier.engines.base import engine, lock_path
from twotier.engines.environment import place
from twotier.errors import TwotierError

ROOT = Path(__file__).resolve().parent.parent
WAIT_SECONDS = 60.0
STOP_SECONDS = 30.0


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(look: Callable[[], bool], *, what: str) -> None:
    """Wait until it is true. Raises TimeoutError that says what was waited for."""
    end = time.monotonic() + WAIT_SECONDS
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(f"this did not happen within {WAIT_SECONDS:.0f} s: {what}")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Service:
    """A configuration and its process. `module` is what is run: `twotier` or `bench.main`; `key`
    the frontier's.
    """

    def __init__(
        self,
        folder: Path,
        *parts: str,
        module: str = "twotier",
        cache: Path,
        key: str = "sk-ant-fake-0001",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.config = folder / "twotier.toml"
        self.config.write_text(
            f"gateway = {{ port = {self.port} }}\n" + "".join(parts), encoding="utf-8"
        )
        self.paths = Paths(folder / ".twotier")
        self.seconds_to_listening = 0.0
        self.cpu_seconds_to_listening = 0.0
        self._module = module
        self._log = folder / "up.log"
        self._main = Peer(self.paths.main_socket, "main does not run")
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_KEY")},
            "TWOTIER_CACHE": str(cache),
            "FRONTIER_KEY": key,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.up()
        return self

    def up(self) -> None:
        """Start it and wait until it listens. Raises TimeoutError with what it said."""
        began = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", self._module, "--config", str(self.config), "up"),
                env=self._env,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        while not accepts(self.port):
            if self._process.poll() is not None or time.perf_counter() - began > WAIT_SECONDS:
                raise TimeoutError(f"it does not listen: {self._log.read_text(encoding='utf-8')}")
            time.sleep(0.002)
        self.seconds_to_listening = time.perf_counter() - began
        self.cpu_seconds_to_listening = cpu_seconds(self._process.pid)

    def kill(self) -> None:
        """The main process, with -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The main process."""
        assert self._process is not None
        return self._process.pid

    @property
    def worker_pid(self) -> int:
        """The worker process."""
        return int(self.status()["worker"]["pid"])

    @property
    def key(self) -> str:
        """What clients send."""
        return self.paths.client_key.read_text(encoding="ascii").strip()

    def status(self) -> dict[str, Any]:
        """As `twotier status --json`."""
        return self._main.get("/control/status")

    def tier(self, name: str) -> Mapping[str, Any]:
        """One tier of it."""
        tiers: list[dict[str, Any]] = self.status()["tiers"]
        return next(tier for tier in tiers if tier["name"] == name)

    def wait_ready(self, *tiers: str) -> None:
        """Until the worker and these tiers are ready."""

        def ready() -> bool:
            try:
                told = self.status()
            except TwotierError:
                return False
            states = {tier["name"]: tier["state"] for tier in told["tiers"]}
            return told["worker"]["state"] == "ready" and all(
                states[name] == "ready" for name in tiers
            )

        until(ready, what=f"the worker and {tiers or 'no tier'} ready, see {self._log}")


def played_cache(folder: Path) -> Path:
    """A cache in which the environment of llama.cpp seems to be made: `bench.main` needs none."""
    lock = lock_path(engine("llama_cpp").traits)
    target = place(lock, folder / "engines")
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").symlink_to(sys.executable)
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    (target / ".complete").write_text(digest, encoding="ascii")
    return folder
