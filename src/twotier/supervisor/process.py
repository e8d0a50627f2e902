"""One child process: made in a session of its own, watched, ended with its whole group.

A child must survive us, so nothing of it hangs on us: its output goes to a file and never to a
pipe, it leads its own session and group, and no object of ours ends it when it is collected. A
thread waits for its end, because that works alike for asyncio and uvloop, on Linux and macOS, and
because asyncio's own subprocess transport kills its child when the loop closes. An adopted process
is not our child: nobody tells us its exit code, and we look for it five times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import psutil

from twotier.domain.launch import Launch
from twotier.errors import EngineError
from twotier.supervisor import logs
from twotier.supervisor.vigil import Pulse

# What a child may know of our environment. No key is ever here: model code comes from strangers.
INHERITED: tuple[str, ...] = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "OMP_THREAD_LIMIT",
)  # fmt: skip
SAME_START_SECONDS = 2.0  # the system's own start times move a little when the clock is set
LOOK_SECONDS = 0.2
KILL_SECONDS = 10.0  # a killed process that is still there after this hangs in the kernel

OnExit = Callable[[int | None], None]


class Running(Protocol):
    """A process that was alive when we got hold of it."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    @property
    def created(self) -> float:
        """Its start, in seconds since the epoch, as the system tells it."""
        ...

    @property
    def adopted(self) -> bool:
        """True for a process that somebody else started: it will have no exit code."""
        ...

    def pulse(self) -> Pulse:
        """What it and its children have used so far."""
        ...

    async def end(self, *, grace_seconds: float) -> bool:
        """TERM to the group, wait, KILL. False if it is still there after that."""
        ...

    def kill(self) -> None:
        """KILL to the group, without waiting."""
        ...

    def release(self) -> None:
        """Stop watching; the process goes on."""
        ...


class Launcher(Protocol):
    """Where processes come from."""

    def free_port(self) -> int:
        """A loopback port that nobody listens on now."""
        ...

    def spawn(self, launch: Launch, *, log_path: Path, on_exit: OnExit) -> Running:
        """Start it. Raises `EngineError` if the command cannot be started at all, and `OSError` if
        its log cannot be written.
        """
        ...

    def adopt(self, pid: int, *, created: float, on_exit: OnExit) -> Running | None:
        """Take over a living process; None if it is gone or the pid is a stranger's by now."""
        ...


class Processes:
    """`Launcher` on the real system."""

    def free_port(self) -> int:
        """Ask the system for one. It is free again until the child takes it: a small gap."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    def spawn(self, launch: Launch, *, log_path: Path, on_exit: OnExit) -> Running:
        """Start it, with its output appended to a fresh log."""
        log_path.parent.mkdir(parents=True, exist_ok=True)
        logs.rotate(log_path)
        handle = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            child = subprocess.Popen(
                launch.argv,
                env=inherited(os.environ) | dict(launch.env),
                cwd=launch.cwd or log_path.parent,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                start_new_session=True,
            )
        except OSError as exc:
            text = f"`{launch.argv[0]}` cannot be started ({exc.strerror}); run `twotier doctor`"
            raise EngineError(text) from exc
        finally:
            os.close(handle)
        return Process(child.pid, created=_created(child.pid), wait=child.wait, on_exit=on_exit)

    def adopt(self, pid: int, *, created: float, on_exit: OnExit) -> Running | None:
        """Take over a living process of the same start time."""
        if not _alive(pid, created):
            return None
        return Process(pid, created=created, wait=None, on_exit=on_exit)


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The few variables a child may see."""
    return {name: environment[name] for name in INHERITED if name in environment}


def _created(pid: int) -> float:
    """Its start time; 0 if it is gone already, which no living process has."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def _alive(pid: int, created: float) -> bool:
    """Is it still that process?"""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < SAME_START_SECONDS
        return same and _lives(process)
    except psutil.NoSuchProcess:
        return False


def _lives(process: psutil.Process) -> bool:
    """A zombie is dead: its parent has not noticed yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started_seconds(pid: int) -> float:
    """When a process began, in seconds since the epoch; 0 if it is gone."""
    return _created(pid)


def resident_bytes(pid: int) -> int:
    """What a process and everything under it hold of memory now; 0 if it is gone. Blocks."""
    return _pulse(pid).resident_bytes


def _pulse(pid: int) -> Pulse:
    """Of the process and everything under it; nothing of what has just gone."""
    cpu_seconds, resident_bytes = 0.0, 0
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                used = process.cpu_times()
                cpu_seconds += used.user + used.system
                resident_bytes += process.memory_info().rss
    return Pulse(cpu_seconds, resident_bytes)


class Process:
    """`Running` on the real system. Made inside a running event loop."""

    def __init__(
        self, pid: int, *, created: float, wait: Callable[[], int] | None, on_exit: OnExit
    ) -> None:
        self._pid = pid
        self._created = created
        self._wait = wait
        self._on_exit = on_exit
        self._exited = asyncio.Event()
        self._released = threading.Event()
        self._loop = asyncio.get_running_loop()
        # A daemon: when we go while the child lives on, nothing may wait for this thread.
        threading.Thread(target=self._watch, name=f"child-{pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number, and the number of its group."""
        return self._pid

    @property
    def created(self) -> float:
        """Its start, in seconds since the epoch."""
        return self._created

    @property
    def adopted(self) -> bool:
        """True if it is not our child."""
        return self._wait is None

    def _watch(self) -> None:
        """In a thread: wait for the end, then tell the loop, if there still is one."""
        code = self._wait() if self._wait else self._look_until_gone()
        # The loop may close between any check and the call, so the call itself has to say it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._gone, code)

    def _look_until_gone(self) -> int | None:
        """Held by what the system knows it by, not by its start time: that moves with the clock."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._pid)
            while _lives(process) and not self._released.wait(LOOK_SECONDS):
                continue
        return None

    def _gone(self, code: int | None) -> None:
        if self._released.is_set():
            return
        self._exited.set()
        self._signal(signal.SIGKILL)  # its own children would go on holding memory and the port
        self._on_exit(code)

    def _signal(self, number: signal.Signals) -> None:
        """To the whole group; a group that is gone (macOS: EPERM for a zombie) is what we want."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)

    def pulse(self) -> Pulse:
        """What it and its children have used so far."""
        return _pulse(self._pid)

    async def end(self, *, grace_seconds: float) -> bool:
        """Politely, then not. One that was stopped hears nothing until it is told to go on."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        if await self._within(grace_seconds):
            return True
        self._signal(signal.SIGKILL)
        return await self._within(KILL_SECONDS)

    async def _within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._exited.wait()
        except TimeoutError:
            return False
        return True

    def kill(self) -> None:
        """At once, without waiting for the end."""
        self._signal(signal.SIGKILL)

    def release(self) -> None:
        """Leave it alone from now on."""
        self._released.set()
