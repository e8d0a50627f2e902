"""The whole program as a person runs it: a real `twotier up` in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import openai
import psutil

from tests import warm
from tests.engines.fixtures import CACHE
from tests.stores import laid
from twotier.cli.client import Peer
from twotier.config.paths import Paths
from twotier.errors import TwotierError

T = TypeVar("T")
WAIT_SECONDS = 60.0
PROGRAM = (sys.executable, "-m", "twotier")

STARTER = """
[tiers.local]
engine = "llama_cpp"
model = "starter"
window_tokens = 4096
"""

FRONTIER = """
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "{base_url}"
key = "env:FRONTIER_KEY"
first_token_seconds = 20
idle_seconds = 10

[aliases]
opus = "frontier"
m25 = "local"
"""

LOCAL_SERVER = """
[tiers.local]
engine = "openai"
model = "toy"
base_url = "{base_url}"
"""

INBOX = """
[[jobs]]
name = "inbox"
watch = {{ kind = "files", path = "inbox", settle_seconds = 0.01 }}
every = "{every}"
tier = "{tier}"
answer_lines = 3
prompt = "Summarise this text in three short lines."
deliver = "file:outbox/{{stem}}.summary.txt"
"""


def mlx(model: Path) -> str:
    """A local tier on the real mlx-lm server."""
    return f"""
[tiers.local]
engine = "mlx_lm"
model = "{model}"
window_tokens = 4096
"""


def eventually(look: Callable[[], T | None], *, seconds: float = WAIT_SECONDS, what: str = "") -> T:
    """What `look` finds, asked again until it is true; fails after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = look()
        except (TwotierError, OSError, KeyError):
            found = None
        if found:
            return found
        assert time.monotonic() < until, f"this did not happen in {seconds:.0f} s: {what or look}"
        time.sleep(0.05)


class Service:
    """One folder with a configuration; `up` and `kill` as often as a test likes."""

    def __init__(
        self,
        folder: Path,
        *parts: str,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
        gateway: str = "",
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.folder = folder
        self.wait_seconds = wait_seconds
        self.program = tuple(program)
        self.config = folder / "twotier.toml"
        listening = f"[gateway]\nport = 0\n{gateway}\n"
        self.config.write_text(listening + "".join(parts), encoding="utf-8")
        self.paths = Paths(folder / ".twotier")
        self.main = Peer(self.paths.main_socket, "main does not run")
        self.worker = Peer(self.paths.worker_socket, "the worker does not run")
        self.env = {
            **{key: value for key, value in os.environ.items() if "KEY" not in key},
            "TWOTIER_CACHE": str(CACHE),
            "TWOTIER_CONFIG": str(self.config),
            **(env or {}),
        }
        self.process: subprocess.Popen[bytes] | warm.Process | None = None
        self._clients: list[openai.OpenAI] = []
        for name in ("inbox", "outbox"):
            (folder / name).mkdir(exist_ok=True)
        self.paths.make()
        for path in (self.paths.ledger, self.paths.work, self.paths.engine):
            laid(path)

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:  # what was started is not left running
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.bury()

    def up(self, *, ready: str = "local") -> None:
        """Start it and wait until it listens and that tier is ready (empty: until it listens)."""
        with (self.folder / "up.log").open("ab") as log:
            if self.program == PROGRAM and warm.fits(("up",), self.env):
                self.process = warm.begin(("up",), env=self.env, cwd=self.folder, out=log, err=log)
            else:
                self.process = subprocess.Popen(
                    (*self.program, "up"), env=self.env, cwd=self.folder, stdout=log, stderr=log
                )
        seconds = self.wait_seconds
        eventually(self.listening, seconds=seconds, what=f"twotier up\n{self.said()}")
        if ready:
            tier, worker = f"{ready} ready", "worker ready"
            eventually(lambda: self.tier(ready)["state"] == "ready", seconds=seconds, what=tier)
            eventually(
                lambda: self.status()["worker"]["state"] == "ready", seconds=seconds, what=worker
            )

    def listening(self) -> bool:
        """Whether main answers; fails at once if it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        return bool(self.status())

    def said(self) -> str:
        """What `up` printed."""
        return (self.folder / "up.log").read_text(encoding="utf-8")

    def kill(self) -> None:
        """The main process, with -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def bury(self) -> None:
        """End whatever a killed main left behind, by the pid and start time it recorded."""
        for record in self.paths.engines.glob("*.json"):
            kept = json.loads(record.read_text(encoding="utf-8"))
            try:
                process = psutil.Process(kept["pid"])
                if abs(process.create_time() - kept["created"]) < 1:
                    os.killpg(kept["pid"], signal.SIGKILL)
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue

    def status(self) -> dict[str, Any]:
        """As `twotier status --json`."""
        return self.main.get("/control/status")

    def tier(self, name: str) -> dict[str, Any]:
        """One tier of the status."""
        tiers: list[dict[str, Any]] = self.status()["tiers"]
        return next(tier for tier in tiers if tier["name"] == name)

    def runs(self, job: str = "", state: str = "") -> list[dict[str, Any]]:
        """The runs, the newest first."""
        found: list[dict[str, Any]] = self.worker.get("/runs", {"job": job, "limit": 500})["runs"]
        return [run for run in found if not state or run["state"] == state]

    def spend(self, by: str = "tier") -> dict[str, dict[str, Any]]:
        """The ledger's sums of this century, by key."""
        span = {"since": "2020-01-01T00:00:00+00:00", "until": "2100-01-01T00:00:00+00:00"}
        rows = self.main.get("/control/spend", {"by": by, **span})["rows"]
        return {row["key"]: row for row in rows}

    def client(self, key: str = "") -> openai.OpenAI:
        """The official SDK, pointed at the one port, without retries; closed with the service."""
        client = openai.OpenAI(
            base_url=self.status()["address"] + "/v1",
            api_key=key or self.paths.client_key.read_text(encoding="ascii").strip(),
            max_retries=0,
            timeout=90,
        )
        self._clients.append(client)
        return client

    def command(
        self, *arguments: str, code: int = 0, seconds: float = 90.0
    ) -> subprocess.CompletedProcess[str]:
        """A command of the CLI; its exit code is checked."""
        done = self.typed(*arguments, seconds=seconds)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def typed(self, *arguments: str, seconds: float = 90.0) -> subprocess.CompletedProcess[str]:
        """The same, however it ends."""
        if self.program == PROGRAM and warm.fits(arguments, self.env):
            said = warm.run(arguments, env=self.env, cwd=self.folder, seconds=seconds)
            return subprocess.CompletedProcess(arguments, *said)
        return subprocess.run(
            (*self.program, *arguments),
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
