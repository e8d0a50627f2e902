"""The name behind the zone `local`. Everything that computes with days needs a name, not an offset.

An offset alone would be wrong half the year, so the machine's own setting is followed to its name:
`$TZ`, the link `/etc/localtime` (macOS, most of Linux), `/etc/timezone` (Debian), else UTC.
"""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOCAL = "local"
FOLDER = "zoneinfo/"


def zone_name(zone: str, *, etc: Path = Path("/etc")) -> str:
    """An IANA name for a configured zone: `local` becomes this machine's, others stay."""
    if zone != LOCAL:
        return zone
    told = (os.environ.get("TZ", "").removeprefix(":"), from_link(etc), from_file(etc))
    return next((name for name in told if name and exists(name)), "UTC")


def from_link(etc: Path) -> str:
    """What `localtime` points to: `/usr/share/zoneinfo/Europe/Berlin` ends in the name."""
    link = etc / "localtime"
    target = str(link.readlink()) if link.is_symlink() else ""
    return target.partition(FOLDER)[2]


def from_file(etc: Path) -> str:
    """Debian's own file, where `localtime` is a copy and not a link."""
    file = etc / "timezone"
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def exists(name: str) -> bool:
    """A zone this Python knows; `$TZ` may also hold a path or a rule, which are no names."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
