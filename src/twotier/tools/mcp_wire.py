"""The two ways to an MCP server: a child with pipes, and streamable HTTP.

The official library is an extra and costs a second of start, so it is imported here, at the first
use. The child has a group of its own, an environment that is given name by name, and lines with a
limit; when its connection ends, however that comes about, the whole group is ended, and so it is
when we are killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from twotier.domain.label import Labels
from twotier.errors import ToolError
from twotier.tools.lifeline import tied

LINE_BYTES_MAX = 8_000_000  # one message of a server; a longer one ends it
STDERR_BYTES_KEPT = 2_000
POLL_SECONDS = 0.01
STOP_SECONDS = 2.0  # to end by itself, then by SIGTERM; then it is killed
# What a program needs to run at all. No secret lies there; HOME is where npx and uvx keep things.
ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "USER")
MISSING = "MCP servers need the mcp package; run `pip install 'twotier[mcp]'`"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One MCP server. Either `command` or `url` is set; secrets are in `env` and `headers` already.

    Only `tools` are ever shown or called. A tool without `labels` is held for the worst;
    `describe` holds the owner's words in place of the server's.
    """

    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    folder: Path = Path()
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tools: tuple[str, ...] = ()
    labels: Mapping[str, Labels] = field(default_factory=dict)
    describe: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 30.0
    call_seconds: float = 60.0
    idle_seconds: float = 600.0
    calls_max: int = 4  # at once
    problem: str = ""  # why it cannot be started: a secret that is not there


def library(name: str = "mcp") -> Any:
    """A module of the official library. Raises `ToolError` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise ToolError(MISSING) from exc


@asynccontextmanager
async def connected(
    spec: ServerSpec, *, gone: Callable[[], None], heard: bytearray
) -> AsyncIterator[Any]:
    """A session with the server (`mcp.Client`). `gone` is called when its end is noticed;
    `heard` gets the end of what a child says on stderr.
    """
    mcp = library()
    if spec.problem:
        raise ToolError(spec.problem)
    async with contextlib.AsyncExitStack() as stack:
        if spec.command:
            transport: Any = child(spec, gone=gone, heard=heard)
        else:
            httpx2, http = library("httpx2"), library("mcp.client.streamable_http")
            # Its own timeout is for silence on a stream; each call has a shorter one of ours.
            outside = httpx2.AsyncClient(
                headers=dict(spec.headers),
                timeout=httpx2.Timeout(spec.start_seconds, read=spec.call_seconds + 5.0),
                trust_env=False,
            )
            transport = http.streamable_http_client(
                spec.url, http_client=await stack.enter_async_context(outside)
            )
        yield await stack.enter_async_context(mcp.Client(transport))


@asynccontextmanager
async def child(
    spec: ServerSpec, *, gone: Callable[[], None], heard: bytearray
) -> AsyncIterator[tuple[Any, Any]]:
    """Its two streams of messages, while it lives."""
    anyio: Any = importlib.import_module("anyio")
    process = await asyncio.create_subprocess_exec(
        *spec.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=spec.folder,
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | dict(spec.env),
        start_new_session=True,
        limit=LINE_BYTES_MAX,
    )
    received, reads = anyio.create_memory_object_stream(0)
    writes, sent = anyio.create_memory_object_stream(0)
    tie = contextlib.ExitStack()
    try:
        tie.enter_context(tied(process.pid))
        # The library ends what it began through scopes of anyio, so its group is used here.
        async with anyio.create_task_group() as group:
            group.start_soon(partial(hear, process, received=received, gone=gone))
            group.start_soon(tell, process, sent)
            group.start_soon(listen, process, heard)
            try:
                yield reads, writes
            finally:
                await shielded(end(process))
                group.cancel_scope.cancel()
    finally:
        kill_group(process.pid, signal.SIGKILL)
        tie.close()
        # A pipe that somebody outside the group still holds would keep this open for ever.
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other way
        for stream in (received, reads, writes, sent):
            stream.close()


async def hear(
    process: asyncio.subprocess.Process, *, received: Any, gone: Callable[[], None]
) -> None:
    """Hand on what the child says, line by line, until it says no more."""
    assert process.stdout is not None  # noqa: S101 - made with a pipe
    anyio: Any = importlib.import_module("anyio")
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        async with received:
            while line := await line_of(process):
                await received.send(message_of(line))
    gone()
    # A child that cannot write does not come to its end.
    while await process.stdout.read(65_536):
        pass


def message_of(line: bytes) -> Any:
    """A line as a message. A print that went astray is an error to tell of, no reason to end."""
    try:
        read = library("mcp_types").jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError as exc:
        return exc
    return library("mcp.shared.message").SessionMessage(read)


async def line_of(process: asyncio.subprocess.Process) -> bytes:
    """The next line, empty at the end. One longer than any message may be ends the child."""
    assert process.stdout is not None  # noqa: S101 - made with a pipe
    try:
        return await process.stdout.readline()
    except ValueError:
        kill_group(process.pid, signal.SIGKILL)
        return b""


async def tell(process: asyncio.subprocess.Process, sent: Any) -> None:
    """Write what the session says to the child."""
    assert process.stdin is not None  # noqa: S101 - made with a pipe
    async with sent:
        async for one in sent:
            text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(text.encode() + b"\n")
            try:
                await process.stdin.drain()
            except OSError:
                return  # it has gone; `hear` says so


async def listen(process: asyncio.subprocess.Process, heard: bytearray) -> None:
    """Keep the end of what it complains about: for a person who asks, never for a log."""
    assert process.stderr is not None  # noqa: S101 - made with a pipe
    while part := await process.stderr.read(4_096):
        heard += part
        del heard[:-STDERR_BYTES_KEPT]


async def shielded(work: Awaitable[None]) -> None:
    """Do it although the scope round us is cancelled. Whatever it does has an end of its own."""
    anyio: Any = importlib.import_module("anyio")
    with anyio.CancelScope(shield=True):
        await work


async def end(process: asyncio.subprocess.Process) -> None:
    """Close its stdin and wait; then SIGTERM to its group and wait; then SIGKILL."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            kill_group(process.pid, number)
        # Not `wait`, which waits for the pipes too, and a child of the child may hold them.
        for _ in range(round(STOP_SECONDS / POLL_SECONDS)):
            if process.returncode is not None:
                return
            await asyncio.sleep(POLL_SECONDS)


def kill_group(pid: int, number: int) -> None:
    """Signal whoever is left of a child's group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
