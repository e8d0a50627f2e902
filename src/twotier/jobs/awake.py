"""Keeps the machine awake while a run is worked on, and no longer.

A Mac sleeps when nobody touches it, in the middle of a nightly job. A child of the system's own
program says that something is at work: `caffeinate` on macOS, `systemd-inhibit` on Linux, against
idleness alone: who closes the lid or says sleep is obeyed. It ends with the last run, and also when
we are killed: `caffeinate` looks after our pid, and what `systemd-inhibit` runs reads from us.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

Command = tuple[str, ...]

INHIBIT = ("systemd-inhibit", "--what=idle", "--who=twotier", "--why=a job runs", "cat")
END_SECONDS = 2.0
SAID_CHARACTERS_MAX = 300

log = logging.getLogger(__name__)


def command_here(
    *, platform: str = sys.platform, which: Callable[[str], str | None] = shutil.which
) -> Command:
    """What keeps this machine awake; empty where there is no such program."""
    wanted = ("caffeinate", "-i", "-w", str(os.getpid())) if platform == "darwin" else INHIBIT
    return wanted if which(wanted[0]) else ()


class Awake:
    """Held by any number of runs at a time; one child for all of them."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._holders = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._said = False

    def held(self) -> bool:
        """Whether the machine is kept awake now."""
        return self._child is not None and self._child.poll() is None

    @contextlib.asynccontextmanager
    async def during(self) -> AsyncIterator[None]:
        """For as long as the block. That it cannot be had stops no run; it is said once."""
        self._hold()
        try:
            yield
        finally:
            await self._release()

    async def resting(self, rest: Callable[[float], Awaitable[None]], seconds: float) -> None:
        """Inside of such a block, let go for as long as it only waits, for a batch of hours."""
        await self._release()
        try:
            await rest(seconds)
        finally:
            self._hold()

    def _hold(self) -> None:
        self._holders += 1
        if self._holders == 1:
            self._begin()

    async def _release(self) -> None:
        self._holders -= 1
        if self._holders or self._child is None:
            return
        child, self._child = self._child, None
        await asyncio.shield(asyncio.to_thread(self._end, child))

    def _begin(self) -> None:
        if not self._command:
            self._say("no program for it is here; the machine may sleep in the middle of a job")
            return
        try:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as exc:
            self._say(f"{self._command[0]} cannot be started: {exc.strerror}")

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """Let it go; a program that had ended by itself never held anything."""
        early = child.poll() is not None
        child.terminate()
        try:
            _, said = child.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            _, said = child.communicate()
        if early:
            text = said.decode(errors="replace").strip()[:SAID_CHARACTERS_MAX]
            self._say(f"{self._command[0]} ended at once ({child.returncode}): {text}")

    def _say(self, because: str) -> None:
        if not self._said:
            log.warning("not kept awake", extra={"because": because})
        self._said = True
