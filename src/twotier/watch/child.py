"""Runs a program of a watcher's: with a bare environment, and all it prints or nothing.

What we know (secrets, configuration) is none of its business. How it is started, bounded and ended
is told in `tools.children`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twotier.errors import ToolError, WatchError
from twotier.tools import children
from twotier.watch.cut import one_line

ERROR_CHARACTERS_MAX = 300
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, what it printed, and the beginning of what it complained about."""

    code: int
    output: str
    said: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest time it may take, and the most it may print."""

    seconds: float
    bytes_max: int = 1 << 20


async def run(
    argv: Sequence[str],
    limits: Limits,
    *,
    folder: Path,
    env: Mapping[str, str] | None = None,
    fed: bytes = b"",
) -> Ended:
    """The program's end. `env` is added to the bare one, `fed` is its input.

    Raises `WatchError` where it cannot be started, takes too long or prints too much.
    """
    bounds = children.Bounds(limits.seconds, limits.bytes_max)
    environment = bare() | dict(env or {})
    try:
        ended = await children.run(
            argv, folder=folder, environment=environment, bounds=bounds, fed=fed
        )
    except ToolError as exc:
        raise WatchError(exc.message) from exc
    if ended.bytes_cut:
        raise WatchError(f"{argv[0]} printed more than {limits.bytes_max:,} bytes")
    return Ended(ended.code, ended.output, one_line(ended.complaint)[:ERROR_CHARACTERS_MAX])


def bare() -> dict[str, str]:
    """What every program needs, and nothing that is ours, but `twotier` itself is found: launchd
    and a virtual environment that nobody activated leave it out of the path.
    """
    found = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = str(Path(sys.executable).parent)
    return found | {"PATH": os.pathsep.join((found.get("PATH", os.defpath), own))}
