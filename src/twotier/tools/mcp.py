"""MCP servers as tools: one long-lived session for each server, started when it is first needed.

A server is somebody else's program: only the tools on its list are shown, what it says is data, and
what nobody has labelled is held for the worst. It is restarted after a pause that doubles, ended
after some minutes without work, and ended with the worker. A call is never repeated by itself:
whoever calls is told that the server went away in the middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twotier.domain.clock import Clock
from twotier.domain.label import UNKNOWN, Label, Labels
from twotier.errors import ToolError, first_cause
from twotier.tools.base import Call, Result, ToolSpec
from twotier.tools.mcp_text import (
    DESCRIPTION_CHARACTERS_MAX,
    ERROR_CHARACTERS_MAX,
    described,
    plain,
    result_text,
    schema_of,
    tool_name,
)
from twotier.tools.mcp_wire import ServerSpec, connected, library

LOG = logging.getLogger("twotier.tools.mcp")

PREFIX = "mcp:"
PAUSE_SECONDS_MIN = 1.0
PAUSE_SECONDS_MAX = 60.0
STABLE_SECONDS = 60.0  # a session that lived so long ends the row of failures
PAGES_MAX = 20  # of a list of tools
EFFECTS = frozenset({Label.CHANGES, Label.SENDS, Label.COSTS})


@dataclass
class Session:
    """One connection, from its start to its end. `trouble` says why it never came about."""

    began: float
    used: float
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    client: Any = None
    trouble: str = ""
    calls: int = 0
    task: asyncio.Task[None] | None = None

    def end(self) -> None:
        """End it, also one that is only starting."""
        self.over.set()
        if not self.ready.is_set() and self.task is not None:
            self.task.cancel()


class Server:
    """One MCP server and its session, if there is one now."""

    def __init__(self, spec: ServerSpec, *, group: asyncio.TaskGroup, clock: Clock) -> None:
        self.spec = spec
        self.starts = 0
        self._group = group
        self._clock = clock
        self._lock = asyncio.Lock()
        self._turns = asyncio.Semaphore(spec.calls_max)
        self._session: Session | None = None
        self._failures = 0
        self._not_before = 0.0
        self._listed: dict[str, Any] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a session now, or one on its way."""
        return self._session is not None and not self._session.over.is_set()

    async def listed(self, *, fresh: bool = False) -> Mapping[str, Any]:
        """Its tools by their own names, all of them. Kept: it need not be running to be listed."""
        if self._listed is None or fresh:
            self._listed = await self._list()
        return self._listed

    async def _list(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        cursor: str | None = None
        session = await self._ready(self.spec.start_seconds)
        for _ in range(PAGES_MAX):
            page = await self._within(
                session, session.client.list_tools(cursor=cursor), seconds=self.spec.start_seconds
            )
            found |= {tool.name: tool for tool in page.tools}
            if not (cursor := page.next_cursor):
                break
        return found

    async def call(self, tool: str, arguments: Mapping[str, Any], *, seconds: float) -> Any:
        """One call. Raises `ToolError`, also where nobody knows whether it was done."""
        limit = min(seconds, self.spec.call_seconds)
        async with self._turns:
            session = await self._ready(seconds)
            return await self._within(
                session, session.client.call_tool(tool, dict(arguments)), seconds=limit
            )

    async def stop(self) -> None:
        """End the session. The next use starts another."""
        if self._session is not None:
            self._session.end()

    async def _ready(self, seconds: float) -> Session:
        """A session that answers, within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                async with self._lock:
                    session = await self._one()
                await session.ready.wait()
        except TimeoutError as exc:
            raise ToolError(
                f"the MCP server {self.spec.name} was not ready within {seconds:.0f} s;"
                f" see `twotier mcp-servers test {self.spec.name}`"
            ) from exc
        if session.client is None:
            raise ToolError(
                f"the MCP server {self.spec.name} does not start: {session.trouble};"
                f" see `twotier mcp-servers test {self.spec.name}`"
            )
        session.used = self._clock.monotonic()
        return session

    async def _one(self) -> Session:
        """The session there is, or a new one, after the pause that is due."""
        if self._session is not None and self.running:
            return self._session
        if self._session is not None and self._session.task is not None:
            await asyncio.wait((self._session.task,))
        if (pause := self._not_before - self._clock.monotonic()) > 0:
            await self._clock.sleep(pause)
        now = self._clock.monotonic()
        self._session = session = Session(began=now, used=now)
        self.starts += 1
        session.task = self._group.create_task(self._live(session), name=f"mcp-{self.spec.name}")
        return session

    async def _live(self, session: Session) -> None:
        """Connect, hold the connection, and leave it in the task that made it."""
        heard = bytearray()
        try:
            # What is raised here is a library's, a server's or the network's: any of it is told to
            # whoever waits, and none of it may end the other servers.
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self.spec.start_seconds):
                    link = connected(self.spec, gone=session.over.set, heard=heard)
                    session.client = await stack.enter_async_context(link)
                session.ready.set()
                LOG.info("mcp server ready", extra={"server": self.spec.name})
                await self._until_over(session)
        except Exception as exc:  # noqa: BLE001 - the top of a task
            session.trouble = said(exc, heard)
            if session.client is None or not session.over.is_set():
                LOG.info(
                    "mcp server failed",
                    extra={"server": self.spec.name, "error": type(exc).__name__},
                )
        finally:
            self._ended(session)

    async def _until_over(self, session: Session) -> None:
        """Return when it is over: gone, told to, or without work for long enough."""
        while not session.over.is_set():
            rest = session.used + self.spec.idle_seconds - self._clock.monotonic()
            if rest <= 0 and not session.calls:
                session.over.set()
                LOG.info("mcp server idle", extra={"server": self.spec.name})
                self._failures = 0
                return
            await first_of(session.over, clock=self._clock, seconds=max(rest, 1.0))

    def _ended(self, session: Session) -> None:
        """Note how it went, so that the next start comes after the right pause."""
        now = self._clock.monotonic()
        well = session.client is not None and now - session.began >= STABLE_SECONDS
        self._failures = 0 if well else self._failures + 1
        pause = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN * 2.0 ** (self._failures - 1))
        self._not_before = now + (pause if self._failures > 1 or session.client is None else 0.0)
        session.over.set()
        session.ready.set()

    async def _within(self, session: Session, asked: Any, *, seconds: float) -> Any:
        """What the server answers within so many seconds."""
        name = self.spec.name
        session.calls += 1
        try:
            async with asyncio.timeout(seconds):
                return await asked
        except TimeoutError as exc:
            raise ToolError(
                f"the MCP server {name} gave no answer within {seconds:.0f} s; what it was asked"
                " may have been done"
            ) from exc
        except library().MCPError as exc:
            raise self._refused(session, exc) from exc
        except (ValueError, OSError) as exc:
            raise ToolError(f"the MCP server {name} answered what cannot be read") from exc
        finally:
            session.calls -= 1
            session.used = self._clock.monotonic()

    def _refused(self, session: Session, error: Any) -> ToolError:
        """Its own sentence. What has gone is ended, so that the next call starts it anew."""
        name, types = self.spec.name, library("mcp_types")
        own = error.code in (types.INVALID_PARAMS, types.METHOD_NOT_FOUND, types.INTERNAL_ERROR)
        if own:
            told = plain(error.message, characters_max=ERROR_CHARACTERS_MAX)
            return ToolError(f"the MCP server {name} refused: {told}")
        session.over.set()
        return ToolError(
            f"the MCP server {name} went away; what it was asked may have been done, and the next"
            " call starts it anew"
        )


class McpTool:
    """One tool of a server, under its name for models."""

    def __init__(self, server: Server, remote: str, *, spec: ToolSpec) -> None:
        self._server = server
        self._remote = remote
        self._spec = spec

    @property
    def spec(self) -> ToolSpec:
        """What it is called, takes and brings along."""
        return self._spec

    def needs(self, arguments: Mapping[str, Any]) -> Labels:  # noqa: ARG002 - part of the seam
        """The labels the owner gave it, whatever it is called with."""
        return self._spec.labels

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """Call it. Raises `ToolError`, with the server's own sentence where it has one."""
        said = await self._server.call(self._remote, arguments, seconds=call.deadline_seconds)
        text = result_text(said.content, said.structured_content)
        if said.is_error:
            raise ToolError(plain(text, characters_max=ERROR_CHARACTERS_MAX))
        return Result(text)


class Servers:
    """All servers of the configuration, as an async context manager: leaving it ends them."""

    def __init__(self, specs: Sequence[ServerSpec], *, clock: Clock) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._clock = clock
        self._group = asyncio.TaskGroup()
        self._servers: dict[str, Server] = {}

    async def __aenter__(self) -> Servers:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers.values():
            await server.stop()
        # The group is told of no error: one of the body stays what it is, and no session fails.
        await self._group.__aexit__(None, None, None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all servers."""
        return tuple(self._specs)

    def server(self, name: str) -> Server:
        """A server by its name. Raises `ToolError` with the names there are."""
        if name not in self._specs:
            there = ", ".join(self._specs) or "none"
            raise ToolError(f"there is no MCP server {name!r} in [tools.mcp]; there are: {there}")
        if name not in self._servers:
            self._servers[name] = Server(self._specs[name], group=self._group, clock=self._clock)
        return self._servers[name]

    async def tools(self, wanted: Sequence[str]) -> list[McpTool]:
        """The tools that `mcp:SERVER` and `mcp:SERVER.TOOL` stand for, in a fixed order, each once.

        Raises `ToolError` for one that is not on its server's list, or that the server has not.
        """
        found: dict[str, McpTool] = {}
        for word in wanted:
            name, _, one = word.removeprefix(PREFIX).partition(".")
            server = self.server(name)
            for remote in chosen(server.spec, one):
                tool = await tool_of(server, remote)
                found.setdefault(tool.spec.name, tool)
        return list(found.values())


def chosen(spec: ServerSpec, one: str) -> Sequence[str]:
    """The tools of a server that a job means: one, or all that are allowed."""
    if not one:
        if not spec.tools:
            raise ToolError(
                f"no tool of the MCP server {spec.name} is allowed; name them in tools.mcp."
                f"{spec.name}.tools (`twotier mcp-servers test {spec.name}` lists them)"
            )
        return spec.tools
    if one not in spec.tools:
        there = ", ".join(spec.tools) or "none"
        raise ToolError(f"tools.mcp.{spec.name}.tools does not allow {one!r}; it allows: {there}")
    return (one,)


async def tool_of(server: Server, remote: str) -> McpTool:
    """A tool of a server, with the owner's labels and words where there are some."""
    spec, listed = server.spec, await server.listed()
    if remote not in listed:
        there = plain(", ".join(sorted(listed)), characters_max=ERROR_CHARACTERS_MAX) or "none"
        raise ToolError(f"the MCP server {spec.name} has no tool {remote!r}; it has: {there}")
    tool = listed[remote]
    labels = spec.labels.get(remote, UNKNOWN)
    own = spec.describe.get(remote) or tool.description or tool.title or remote
    about = ToolSpec(
        name=tool_name(spec.name, remote),
        description=described(own, characters_max=DESCRIPTION_CHARACTERS_MAX),
        parameters=schema_of(tool.input_schema, tool=f"{spec.name}.{remote}"),
        labels=labels,
        repeatable=not labels & EFFECTS,
        looks=not labels & EFFECTS,
    )
    return McpTool(server, remote, spec=about)


async def first_of(event: asyncio.Event, *, clock: Clock, seconds: float) -> None:
    """Wait for the event, at most so long."""
    async with asyncio.TaskGroup() as group:
        slept = group.create_task(clock.sleep(seconds))
        set_ = group.create_task(event.wait())
        await asyncio.wait((slept, set_), return_when=asyncio.FIRST_COMPLETED)
        slept.cancel()
        set_.cancel()


def said(error: BaseException, heard: bytearray) -> str:
    """Why a server does not run, in one line: the error, then the end of what it said itself."""
    while isinstance(error, BaseExceptionGroup):
        error = first_cause(error)
    own = " ".join(heard.decode(errors="replace").split())
    told = plain(str(error) or type(error).__name__, characters_max=300)
    return f"{told} ({plain(own[-300:], characters_max=300)})" if own else told
