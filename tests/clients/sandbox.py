"""A place for one run of a client: an empty home, a work folder, no network but loopback."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients import inside
from tests.clients.inside import pump
from tests.clients.sent import Requests, Sent

RUN_SECONDS_MAX = 60.0
SECRET = "walnut"


@dataclass(frozen=True)
class Ran:
    """What came of it.

    `called` are the first lines of whatever it asked of its proxy; `sent` is what it asked of the
    gateway, and is empty where it ran in our own network.
    """

    code: int
    stdout: str
    stderr: str
    called: str
    sent: Sequence[Sent]

    def lines(self) -> list[Any]:
        """Its output as JSON, line by line."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]


class Sandbox:
    """Folders below `folder`: `home` and `work`, with the secret word in `work/secret.txt`."""

    def __init__(self, folder: Path, *, port: int) -> None:
        self.home = folder / "home"
        self.work = folder / "work"
        self.secret = self.work / "secret.txt"
        self._called = folder / "called"
        self._port = port
        self._connections: list[Requests] = []
        for path in (self.home, self.work):
            path.mkdir(parents=True)
        self.secret.write_text(f"the secret word is {SECRET}\n", encoding="utf-8")

    @property
    def base_url(self) -> str:
        """The gateway, as the client sees it."""
        return f"http://127.0.0.1:{self._port}"

    def write(self, name: str, text: str) -> Path:
        """A file in the home folder."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        seconds_max: float = RUN_SECONDS_MAX,
    ) -> Ran:
        """Run it to its end, with nothing on stdin and nothing of our own environment."""
        clean = {
            "HOME": str(self.home),
            "PATH": os.defpath,
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            **(env or {}),
        }
        run = self._run([str(part) for part in command], clean, seconds_max=seconds_max)
        return asyncio.run(run)

    async def _run(
        self, command: Sequence[str], env: Mapping[str, str], *, seconds_max: float
    ) -> Ran:
        unshare = alone()
        with tempfile.TemporaryDirectory(prefix="tt") as short:  # a socket's path has 104 letters
            sock = f"{short}/gateway" if unshare else ""
            server = await asyncio.start_unix_server(self._to_gateway, sock) if sock else None
            child = await asyncio.create_subprocess_exec(
                *unshare,
                *(sys.executable, "-I", inside.__file__, sock, str(self._port)),
                *(str(self._called), *command),
                env=dict(env),
                cwd=self.work,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(seconds_max):
                    out, err = await child.communicate()
            finally:
                end_group(child.pid)
                if server is not None:
                    server.close()
        called = self._called.read_text() if self._called.exists() else ""
        sent = [request for connection in self._connections for request in connection.sent]
        return Ran(child.returncode or 0, out.decode(), err.decode(), called, sent)

    async def _to_gateway(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Requests()
        self._connections.append(connection)
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(pump(reader, forth, note=connection.feed), pump(back, writer))


def end_group(pid: int) -> None:
    """Whatever the client left running."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@functools.cache
def alone() -> tuple[str, ...]:
    """What to put before a command so that it has a network of its own; empty where nothing can."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    for way in ((unshare, "-n"), (unshare, "-r", "-n")):
        if subprocess.run((*way, "true"), capture_output=True, check=False).returncode == 0:
            return way
    return ()
