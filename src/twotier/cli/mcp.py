"""`twotier mcp`: the local tier as two tools of an MCP server. Stdout belongs to the protocol."""

from __future__ import annotations

import asyncio
from pathlib import Path

from twotier import __version__
from twotier.config.paths import paths_of
from twotier.errors import UsageError


def served(config: Path, root: Path | None) -> int:
    """Serve until stdin ends. Main need not run yet: a call says so then."""
    from twotier.agent.mcp_server import serve
    from twotier.clock import SystemClock
    from twotier.tools.folder import Folder

    place = (root or Path.cwd()).resolve()
    if not place.is_dir():
        raise UsageError(f"{place} is no folder; name one with --root")
    paths = paths_of(config)
    folder = Folder(place, closed=(paths.state, config))
    asyncio.run(serve(paths.main_socket, folder=folder, clock=SystemClock(), version=__version__))
    return 0
