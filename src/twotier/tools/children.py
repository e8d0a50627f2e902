"""Runs a program to its end: from its words, never by a shell, with the environment it is given
and nothing else, in a process group of its own that is gone afterwards, whatever became of it or of
us.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twotier.errors import ToolError
from twotier.tools.lifeline import tied

ERROR_BYTES_MAX = 4_096
PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its code, what it printed, and how much of that was left out."""

    code: int
    output: str
    complaint: str
    bytes_cut: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a program may take, and how much of what it prints is kept."""

    seconds: float
    output_bytes_max: int


async def run(
    argv: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    bounds: Bounds,
    fed: bytes = b"",
) -> Ended:
    """Run it, `fed` its input. Raises `ToolError` where it cannot be started or takes too long."""
    name = Path(argv[0]).name
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE if fed else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise ToolError(f"{name} cannot be started: {why}") from exc
    try:
        with tied(child.pid):
            async with asyncio.timeout(bounds.seconds), asyncio.TaskGroup() as group:
                printing = group.create_task(heard(child.stdout, bounds.output_bytes_max))
                complaining = group.create_task(heard(child.stderr, ERROR_BYTES_MAX))
                group.create_task(feed(child.stdin, fed))
                group.create_task(child.wait())
    except TimeoutError as exc:
        raise ToolError(f"{name} took longer than {bounds.seconds:g} s and was ended") from exc
    except OSError as exc:
        raise ToolError(f"{name} cannot be watched over: {exc.strerror}") from exc
    finally:
        # What it left behind in its group goes too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
        # Who left the group may hold the pipes for as long as it likes.
        child._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
    (output, bytes_cut), (complaint, _) = printing.result(), complaining.result()
    return Ended(child.returncode or 0, text_of(output), text_of(complaint).strip(), bytes_cut)


async def heard(stream: asyncio.StreamReader | None, bytes_max: int) -> tuple[bytes, int]:
    """The first bytes of a stream, and how many more there were; nobody has to wait for us."""
    head, cut = bytearray(), 0
    while stream is not None and (piece := await stream.read(PIECE_BYTES)):
        taken = piece[: bytes_max - len(head)]
        head += taken
        cut += len(piece) - len(taken)
    return bytes(head), cut


async def feed(stream: asyncio.StreamWriter | None, fed: bytes) -> None:
    """Say it all, to a program that may not want to hear it."""
    if stream is None:
        return
    with contextlib.suppress(ConnectionError):
        stream.write(fed)
        await stream.drain()
    stream.close()


def text_of(output: bytes) -> str:
    """What was printed, as text."""
    return output.decode("utf-8", errors="replace")
