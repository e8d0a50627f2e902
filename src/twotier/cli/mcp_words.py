"""The commands about MCP, with their words and their help: servers of others, and our own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]

mcp_servers = App(name="mcp-servers", help="The MCP servers whose tools your jobs may use.")


@mcp_servers.command(name="list")
def list_(*, as_json: Json = False, config: Config) -> int:
    """Every server of the configuration, and which of its tools are allowed. Starts none."""
    from twotier.cli.mcp_servers import listed

    return listed(config, as_json=as_json)


@mcp_servers.command(name="test")
def tried(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """Start a server here, list all its tools with their labels, and end it.

    Parameters
    ----------
    name
        Its name in the configuration.
    """
    from twotier.cli.mcp_servers import tested

    return tested(config, name, as_json=as_json)


def mcp(*, root: Path | None = None, config: Config) -> int:
    """Serve the local tier to a coding client over MCP, on stdin and stdout.

    For Claude Code: `claude mcp add twotier -- twotier mcp`.

    Parameters
    ----------
    root
        The folder whose files may be read; default: the one it is started in.
    """
    from twotier.cli.mcp import served

    return served(config, root)
