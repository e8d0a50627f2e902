"""The real `twotier`, started warm: one process loads it, and forks for each command.

Most of a command's time goes into starting Python and loading modules, and the tests give many
hundred commands. Each is still a process of its own, with its own words, environment, folder,
output and exit code. What is about the start itself (signals, terminals, encodings) starts a cold
one.

    code, out, err = run(("status", "--json"), env=os.environ, cwd=folder, seconds=60.0)
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

READ_AT_START = ("LANG", "LC_", "PYTHON")
COLD = ("mcp", "chat")  # they read what is typed
QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
LENGTH = struct.Struct("!I")
FILES = 3  # output, errors, and where the exit code is told


def fits(words: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a command can be started warm: Python has read its own settings long ago."""
    other = {name for name, _ in env.items() ^ os.environ.items()} - {"PYTHONWARNINGS"}
    started = any(name.startswith(READ_AT_START) for name in other)
    return not started and not any(word in COLD for word in words)


def run(
    words: Sequence[str], *, env: Mapping[str, str], cwd: Path, seconds: float
) -> tuple[int, str, str]:
    """One command to its end: exit code, output, errors. Raises `subprocess.TimeoutExpired`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = begin(words, env=env, cwd=cwd, out=out, err=err)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return code, said[0], said[1]


def begin(
    words: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    out: IO[bytes],
    err: IO[bytes],
    module: str = "twotier.cli",
) -> Process:
    """One that runs on: the `main` of that module."""
    order = {"words": list(words), "env": dict(env), "cwd": str(cwd), "module": module}
    return Process(words, _stove().give(order, out, err))


class Process:
    """What a test does with a `subprocess.Popen`."""

    def __init__(self, words: Sequence[str], told: IO[bytes]) -> None:
        self._words = words
        self._told = told
        self.pid = int(told.readline())
        self.returncode: int | None = None
        self._lock = threading.Lock()
        weakref.finalize(self, told.close)

    def poll(self) -> int | None:
        """Its exit code, None as long as it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(list(self._words), timeout or 0)
            with self._lock:  # another thread may have asked
                if self.returncode is None:
                    self.returncode = int(self._told.readline())
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """A signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Awaited:
    """What a test does with an `asyncio.subprocess.Process`."""

    def __init__(self, process: Process, err: IO[bytes]) -> None:
        self._process = process
        self._err = err
        self._said = b""
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, None as long as it runs."""
        return self._process.poll()

    async def wait(self) -> int:
        """Its exit code."""
        return await asyncio.to_thread(self._process.wait)

    async def communicate(self) -> tuple[bytes, bytes]:
        """All that it wrote, at its end."""
        await self.wait()
        if not self._err.closed:
            with self._err:
                self._err.seek(0)
                self._said = self._err.read()
        return b"", self._said

    def send_signal(self, sig: int) -> None:
        """A signal, if it still runs."""
        self._process.send_signal(sig)

    def kill(self) -> None:
        """End it."""
        self._process.kill()


class Stove:
    """The process that forks."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "tests.warm", str(theirs.fileno())),
                cwd=Path(__file__).resolve().parents[1],
                env={**os.environ, "PYTHONWARNINGS": "error"},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self.close)

    def give(self, order: dict[str, Any], out: IO[bytes], err: IO[bytes]) -> IO[bytes]:
        """Have it begun; its pid and, at its end, its exit code can be read there."""
        data = json.dumps(order).encode()
        told, tells = os.pipe()
        try:
            with self._lock:
                files = [out.fileno(), err.fileno(), tells]
                socket.send_fds(self._line, [LENGTH.pack(len(data))], files)
                self._line.sendall(data)
        finally:
            os.close(tells)
        return open(told, "rb", buffering=0)  # noqa: PTH123 - a pipe

    def close(self) -> None:
        """It ends when nobody can ask it any more."""
        self._line.close()
        self._process.wait()


@functools.cache
def _stove() -> Stove:
    """The one of this process."""
    return Stove()


def serve(line: socket.socket) -> None:
    """Fork for each order until there can be no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for found in pkgutil.iter_modules(importlib.import_module("twotier.cli").__path__):
        if found.name != "__main__":
            importlib.import_module(f"twotier.cli.{found.name}")
    for name in ("twotier.app", "twotier.worker"):
        importlib.import_module(name)
    wakes, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    gc.freeze()
    tells: dict[int, int] = {}
    while True:
        ready = select.select([line, wakes], [], [])[0]
        if wakes in ready:
            wakes.recv(4096)
            reap(tells)
        if line in ready:
            order, files = received(line)
            if order is None:
                return
            out, err, tell = files
            pid = os.fork()
            if pid == 0:
                for one in (line, wakes, wake):
                    one.close()
                become(order, out, err)
            os.write(tell, b"%d\n" % pid)
            tells[pid] = tell
            os.close(out)
            os.close(err)


def received(line: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next order and its files; None where the other side has gone."""
    head, files, _, _ = socket.recv_fds(line, LENGTH.size, FILES)
    if not head:
        return None, []
    (left,) = LENGTH.unpack(head)
    data = b""
    while len(data) < left:
        data += line.recv(left - len(data))
    return json.loads(data), files


def reap(tells: dict[int, int]) -> None:
    """Tell the exit code of each that has ended."""
    while tells:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tell = tells.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(tell)


def become(order: dict[str, Any], out: int, err: int) -> NoReturn:
    """The command, as if it had been started with nothing loaded."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for fd, to in ((out, 1), (err, 2)):
        os.dup2(fd, to)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    os.chdir(order["cwd"])
    if "PYTHONWARNINGS" not in order["env"]:
        warnings.resetwarnings()
        for kind in QUIET:
            warnings.simplefilter("ignore", kind)
    sys.argv[1:] = order["words"]
    try:
        sys.exit(importlib.import_module(order["module"]).main())
    except SystemExit as exc:
        leave(exc.code)


def leave(code: str | int | None) -> NoReturn:
    """End as Python does, but for taking apart all that was loaded: half of a command's time."""
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads, as multiprocessing does
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as line:
        serve(line)
