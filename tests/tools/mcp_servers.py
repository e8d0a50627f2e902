"""Real MCP servers, installed once into the project's `.cache` from locks with hashes."""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path

from tests.clients.installed import node_modules
from tests.engines.fixtures import CACHE, require, say
from twotier.clock import SystemClock
from twotier.engines import environment
from twotier.errors import EngineError
from twotier.packages import find_installer

HERE = Path(__file__).parent
TOY = (sys.executable, str(HERE.parent / "toys" / "mcp_server.py"))


@functools.cache
def python() -> str:
    """The python that runs `mcp_server_time`, `_fetch` and `_git`, as `python -m NAME`."""
    try:
        return str(
            environment.ensure(
                HERE / "mcp_servers.txt",
                CACHE / "mcp",
                installer=find_installer(bars=False),
                clock=SystemClock(),
                say=say,
            )
        )
    except EngineError as exc:
        require(f"no environment for MCP servers: {exc.message}")


def node(server: str, *arguments: str) -> tuple[str, ...]:
    """The command of a server that comes by npm."""
    modules = node_modules(HERE / "mcp_npm")
    if isinstance(modules, str):
        require(modules)
    program = shutil.which("node") or require("node is not installed")
    return (program, str(modules / "@modelcontextprotocol" / server / "dist/index.js"), *arguments)
