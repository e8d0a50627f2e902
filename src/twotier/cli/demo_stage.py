"""The demo's processes: a main with its worker and engine, the frontier's stand-in, and the site.

All of it lies in one folder and on loopback ports of its own. Whatever happens on the way, each
process that was started here is ended here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from twotier.cli.client import Peer
from twotier.clock import SystemClock
from twotier.config.paths import Paths
from twotier.demo.hands import Hands
from twotier.demo.process import command
from twotier.demo.scene import laid
from twotier.demo.site import Site
from twotier.errors import NotRunningError, TwotierError
from twotier.tools.lifeline import tied

T = TypeVar("T")
WAIT_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 20.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs. `began` is midnight, when the played day begins, in UTC."""

    config: Path
    hands: Hands
    site: Site
    began: datetime
    main: Peer
    worker: Peer
    process: subprocess.Popen[bytes]

    def now(self) -> datetime:
        """The played time of day."""
        return SystemClock().now() + timedelta(seconds=self.hands.ahead_seconds)

    def turn_to(self, moment: datetime) -> None:
        """Let it be that time. Never back."""
        self.hands.turn(max(0.0, (moment - self.now()).total_seconds()))

    def wait(self, look: Callable[[], T | None], what: str) -> T:
        """Until `look` finds something. Raises `TwotierError` where main ends or nothing comes."""
        until = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            with suppress(NotRunningError):
                if found := look():
                    return found
            if self.process.poll() is not None:
                raise TwotierError(f"the demo's main ended by itself: {self.log_end()}")
            if time.monotonic() > until:
                raise TwotierError(f"the demo waited in vain for {what}; `twotier demo --keep`")
            time.sleep(LOOK_SECONDS)

    def tier(self, name: str) -> dict[str, Any]:
        """How a tier is."""
        tiers = self.main.get("/control/status")["tiers"]
        found: dict[str, Any] = next(one for one in tiers if one["name"] == name)
        return found

    def log_end(self) -> str:
        """The last line that main said."""
        text = (self.config.parent / "main.said").read_text(encoding="utf-8", errors="replace")
        return (text.strip().splitlines() or ["it said nothing"])[-1]


@contextmanager
def staged(home: Path) -> Iterator[Stage]:
    """Start all of it, end all of it."""
    with ExitStack() as stack:
        site = Site()
        stack.callback(site.close)
        port = free_port()
        frontier = (sys.executable, "-m", "twotier.demo.model", "--port", str(port))
        stack.enter_context(child(frontier, home / "frontier.said"))
        config = laid(home, site=site.place, frontier_port=port)
        real = SystemClock().now()
        began = real.replace(hour=0, minute=0, second=0, microsecond=0)
        path = home / "hands"
        hands = Hands.made(path, ahead_seconds=(began - real).total_seconds())
        stack.callback(hands.close)
        words = (*command("main", path), str(config))
        process = stack.enter_context(child(words, home / "main.said"))
        paths = Paths(home / ".twotier")
        missing = "the demo's processes are starting"
        main, worker = Peer(paths.main_socket, missing), Peer(paths.worker_socket, missing)
        yield Stage(config, hands, site, began.astimezone(UTC), main, worker, process)


@contextmanager
def child(words: tuple[str, ...], said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One process in a group of its own, so that Ctrl-C reaches us first; ended with the block."""
    with said.open("wb") as file:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        with tied(process.pid):  # also where we are killed
            yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then make it; and whatever of its group is left."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS_MAX)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
