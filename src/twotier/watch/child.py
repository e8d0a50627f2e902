"""Runs a program to its end: from words, without a shell, in a bare environment, within limits.

What we know (secrets, configuration) is none of its business. Who takes too long is ended together
with everything it has started; what it leaves behind in its group goes too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twotier.errors import WatchError
from twotier.watch.cut import one_line

ERROR_BYTES_MAX = 4_096
ERROR_CHARACTERS_MAX = 300
CHUNK_BYTES = 1 << 16
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, what it printed, and the beginning of what it complained about."""

    code: int
    output: str
    said: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest time it may take, and the most it may print."""

    seconds: float
    bytes_max: int = 1 << 20


async def run(
    argv: Sequence[str],
    limits: Limits,
    *,
    folder: Path,
    env: Mapping[str, str] | None = None,
    fed: bytes = b"",
) -> Ended:
    """The program's end. `env` is added to the bare one, `fed` is its input.

    Raises `WatchError` where it cannot be started, takes too long or prints too much.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            env=bare() | dict(env or {}),
            stdin=asyncio.subprocess.PIPE if fed else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as exc:
        raise WatchError(f"{argv[0]} cannot be started: {exc.strerror}") from exc
    try:
        async with asyncio.timeout(limits.seconds), asyncio.TaskGroup() as group:
            printing = group.create_task(read(child.stdout, limits.bytes_max + 1))
            complaining = group.create_task(read(child.stderr, ERROR_BYTES_MAX))
            group.create_task(feed(child.stdin, fed))
            code = await child.wait()
    except TimeoutError as exc:
        raise WatchError(f"{argv[0]} took longer than {limits.seconds:g} s and was ended") from exc
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
    output = printing.result()
    if len(output) > limits.bytes_max:
        raise WatchError(f"{argv[0]} printed more than {limits.bytes_max:,} bytes")
    said = one_line(complaining.result().decode("utf-8", errors="replace"))
    return Ended(code, output.decode("utf-8", errors="replace"), said[:ERROR_CHARACTERS_MAX])


def bare() -> dict[str, str]:
    """What every program needs, and nothing that is ours."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


async def read(stream: asyncio.StreamReader | None, bytes_max: int) -> bytes:
    """The first bytes of a stream; the rest is read and dropped, so that nobody waits for us."""
    head = bytearray()
    while stream is not None and (chunk := await stream.read(CHUNK_BYTES)):
        head += chunk[: bytes_max - len(head)]
    return bytes(head)


async def feed(stream: asyncio.StreamWriter | None, fed: bytes) -> None:
    """Say it all, to a program that may not want to hear it."""
    if stream is None:
        return
    with contextlib.suppress(ConnectionError):
        stream.write(fed)
        await stream.drain()
    stream.close()
