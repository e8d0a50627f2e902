"""The token that clients of the gateway send: made once, kept in a file of mode 0600."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

PREFIX = "tt-"


def client_key(path: Path) -> str:
    """The token at `path`, made first if there is none.

    Written beside and moved into place, so that a kill never leaves half a token. An empty file is
    none. A file that others could read is closed to them: what they read stays valid until the
    owner removes the file.
    """
    if path.exists() and (key := path.read_text(encoding="utf-8", errors="replace").strip()):
        path.chmod(0o600)
        return key
    key = PREFIX + secrets.token_urlsafe(24)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return key
