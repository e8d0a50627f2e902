"""The token that clients of the gateway send: made once, kept in a file of mode 0600."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PREFIX = "tt-"


def client_key(path: Path) -> str:
    """The token at `path`, made first if there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    key = PREFIX + secrets.token_urlsafe(24)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key
