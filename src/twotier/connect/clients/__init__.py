"""The clients that `twotier connect` knows, one file each."""

from __future__ import annotations

from collections.abc import Mapping

from twotier.connect.clients import (
    aider,
    claude_code,
    codex,
    continue_cli,
    cursor,
    llm,
    open_webui,
    openclaw,
    opencode,
)
from twotier.connect.plan import Client

CLIENTS: Mapping[str, Client] = {
    one.name: one
    for one in (
        claude_code.CLIENT,
        codex.CLIENT,
        opencode.CLIENT,
        openclaw.CLIENT,
        aider.CLIENT,
        llm.CLIENT,
        continue_cli.CLIENT,
        open_webui.CLIENT,
        cursor.CLIENT,
    )
}

__all__ = ["CLIENTS"]
