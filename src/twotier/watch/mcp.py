"""Watches what a tool of an MCP server says: a list in its JSON, and what is new in it.

The tool must be on its server's list in `[tools.mcp]`; the owner, not a model, says with which
arguments it is called. What it says is held as private and untrusted: nobody knows where it has it
from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twotier.errors import ToolError, WatchError
from twotier.tools.mcp import chosen
from twotier.tools.mcp_text import result_text
from twotier.watch.base import Around, Look
from twotier.watch.cut import one_line
from twotier.watch.json_list import JsonList, values_of
from twotier.watch.seen import news, oldest_first, since

SECONDS_MAX = 120.0
REASON_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class McpWatcher:
    """A tool, its arguments, and the list in what it says."""

    server: str
    tool: str
    arguments: Mapping[str, Any]
    shape: JsonList
    since_seconds: float | None
    around: Around

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> McpWatcher:
        """The watcher of a job's `watch` settings."""
        server, tool = str(settings["server"]), str(settings["tool"])
        return cls(
            server=server,
            tool=tool,
            arguments=dict(settings["arguments"]),
            shape=JsonList.of(settings, f"{server}.{tool}"),
            since_seconds=settings["since"],
            around=around,
        )

    @property
    def place(self) -> str:
        """The tool with its arguments, and the list."""
        asked = json.dumps(self.arguments, sort_keys=True)
        return f"mcp:{self.server}.{self.tool} {asked} {self.shape.place}"

    async def look(self, cursor: Any) -> Look:
        """New and changed parts of the list. Raises `WatchError`."""
        known = cursor if isinstance(cursor, dict) else {}
        entries = self.shape.entries(await self._said())
        after = since(self.around.clock.now(), self.since_seconds)
        items, seen = news(oldest_first(entries), known.get("seen"), after=after)
        return Look(items, {"seen": seen})

    async def _said(self) -> Any:
        """What the tool says, as values: structured where it says so, else its text as JSON."""
        if self.around.servers is None:
            raise WatchError("there are no MCP servers here; add one to [tools.mcp]")
        try:
            server = self.around.servers.server(self.server)
            (tool,) = chosen(server.spec, self.tool)
            said = await server.call(tool, self.arguments, seconds=SECONDS_MAX)
        except ToolError as exc:
            raise WatchError(exc.message) from exc
        if said.is_error:
            told = one_line(result_text(said.content, said.structured_content))
            raise WatchError(f"{self.shape.source} failed: {told[:REASON_CHARACTERS_MAX]}")
        if said.structured_content is not None:
            return said.structured_content
        text = "".join(str(part.text) for part in said.content if part.type == "text")
        return values_of(text, self.shape.source)
