"""Puts a whole file in the place of another, or none at all.

A configuration is somebody's work: a kill, a full disk or a power failure in the middle leaves it
as it was. A link to it stays a link, and its rights stay what they were.
"""

from __future__ import annotations

import os
from pathlib import Path


def put_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Written beside, then moved; never more open than it is to be, not even for a moment."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def rewrite(config: Path, text: str) -> None:
    """Another text in a configuration that is there; whoever calls it has checked the text."""
    real = config.resolve()
    put_file(real, text.encode(), mode=real.stat().st_mode & 0o777)
