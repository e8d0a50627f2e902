"""The command that connects clients, with its words and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from twotier.cli.connect_wanted import Wanted

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
# The names of `twotier.connect.clients`; that package would cost every command its imports.
ClientName = Literal[
    "claude-code", "codex", "opencode", "openclaw", "aider", "llm", "continue", "open-webui",
    "cursor",
]  # fmt: skip


def connect(
    client: ClientName | None = None,
    /,
    *,
    wanted: Annotated[Wanted | None, Parameter(name="*")] = None,
    as_json: Json = False,
    config: Config,
) -> int:
    """Print or write a client's settings; without a name, list the clients that are here.

    Parameters
    ----------
    client
        The program that is to ask twotier.
    """
    from twotier.cli.connect import connected, listed

    if client is None:
        return listed(config, as_json=as_json)
    return connected(config, client, wanted=wanted or Wanted(), as_json=as_json)
