"""`twotier mcp-servers`: what MCP servers there are, and what one has. Asks no other process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twotier.cli.output import emit, say, show
from twotier.config import secrets
from twotier.config.load import load
from twotier.config.mcp import McpServerConfig, server_specs
from twotier.domain.urls import shown_url
from twotier.errors import NotFoundError

if TYPE_CHECKING:
    from twotier.tools.mcp_wire import ServerSpec

HEADS = ("SERVER", "REACHED BY", "TOOLS ALLOWED")
TOOL_HEADS = ("TOOL", "ALLOWED", "LABELS", "WHAT IT SAYS OF ITSELF")
SAID_CHARACTERS_MAX = 80


def listed(config: Path, *, as_json: bool) -> int:
    """All of them."""
    servers = load(config).config.tools.mcp
    told = [
        {"name": name, "reached_by": reached_by(one), "tools": list(one.tools)}
        for name, one in servers.items()
    ]
    if as_json:
        emit({"servers": told})
    elif told:
        lines = [
            (str(one["name"]), str(one["reached_by"]), ", ".join(one["tools"]) or "none")
            for one in told
        ]
        show([HEADS, *lines])
    else:
        print("no MCP servers; add [tools.mcp.NAME] to the configuration")
    return 0


def reached_by(server: McpServerConfig) -> str:
    """Its program or its address, without secrets."""
    return shown_url(server.url) if server.url else Path(server.command[0]).name


def tested(config: Path, name: str, *, as_json: bool) -> int:
    """What one has. Raises `ToolError` with what it says where it does not start."""
    loaded = load(config)
    servers = loaded.config.tools.mcp
    if name not in servers:
        there = ", ".join(servers) or "none"
        raise NotFoundError(f"there is no [tools.mcp.{name}]; there are: {there}")
    wanted = {name: servers[name]}
    named = secrets.Named(wanted.values(), home=loaded.home)
    (spec,) = server_specs(wanted, home=loaded.home, secret=named.get, environment=os.environ)
    told = asyncio.run(asked(spec))
    if as_json:
        emit({"server": name, "tools": told})
        return 0
    show([TOOL_HEADS, *(row(one) for one in told)])
    if unknown := sorted(set(spec.tools) - {str(one["name"]) for one in told}):
        say(f"allowed, and not there: {', '.join(unknown)}")
    return 0


async def asked(spec: ServerSpec) -> list[dict[str, Any]]:
    """All its tools, allowed or not, as the server tells them."""
    from twotier.clock import SystemClock
    from twotier.domain.label import UNKNOWN
    from twotier.tools.mcp import Servers
    from twotier.tools.mcp_text import described

    async with Servers([spec], clock=SystemClock()) as servers:
        tools = await servers.server(spec.name).listed()
        return [
            {
                "name": name,
                "allowed": name in spec.tools,
                "labels": sorted(spec.labels.get(name, UNKNOWN)),
                "labelled": name in spec.labels,
                "says": described(tool.description or "", characters_max=SAID_CHARACTERS_MAX),
            }
            for name, tool in tools.items()
        ]


def row(tool: Mapping[str, Any]) -> Sequence[str]:
    """A tool as one line."""
    labels = ", ".join(tool["labels"]) or "none"
    return (
        str(tool["name"]),
        "yes" if tool["allowed"] else "no",
        labels if tool["labelled"] else f"{labels} (nobody has labelled it)",
        str(tool["says"]),
    )
