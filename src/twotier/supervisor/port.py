"""Who has a port: for a server that has to have this one and no other.

A stranger there is named and left alone. Whose it is the system does not always tell: macOS shows
us only processes of our own user, and then the sentence says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TypeAlias

import psutil

from twotier.domain.clock import Clock

PAUSE_SECONDS = 0.2
COMMAND_CHARS_MAX = 80
HOST = "127.0.0.1"
Ear: TypeAlias = tuple[int | None, object, str]


def taken(port: int) -> bool:
    """Whether somebody listens there, also somebody who is stopped and accepts nothing.

    Connecting finds a listener on any address, binding one that does not answer.
    """
    with socket.socket() as caller:
        caller.settimeout(PAUSE_SECONDS)
        if caller.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            own.bind((HOST, port))
        except OSError:
            return True
    return False


async def freed(port: int, *, within_seconds: float, clock: Clock) -> bool:
    """Wait until nobody has it: the last owner may still be on its way out."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_seconds):
            while await asyncio.to_thread(taken, port):
                await clock.sleep(PAUSE_SECONDS)
            return True
    return False


def stranger(port: int) -> str:
    """The sentence about who has it."""
    pid = _listener(port)
    if pid is None:
        return f"port {port} is taken by a process that cannot be seen from here"
    try:
        process = psutil.Process(pid)
        said = " ".join(process.cmdline())[:COMMAND_CHARS_MAX] or process.name()
    except psutil.Error:
        said = "a process that has just gone"
    return f"port {port} is taken by `{said}` (pid {pid}), which is not ours and is left alone"


def _listener(port: int) -> int | None:
    """The pid that listens there, as far as we may see."""
    try:
        ears = psutil.net_connections(kind="tcp")
        found: list[Ear] = [(one.pid, one.laddr, one.status) for one in ears]
    except psutil.AccessDenied:
        found = _ours()
    for pid, address, status in found:
        if pid and status == psutil.CONN_LISTEN and getattr(address, "port", None) == port:
            return pid
    return None


def _ours() -> list[Ear]:
    """The same, from each process that we may look into."""
    found: list[Ear] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            each = process.net_connections(kind="tcp")
            found += [(process.pid, one.laddr, one.status) for one in each]
    return found
