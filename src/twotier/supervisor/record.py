"""What the next main needs to find a living child again: one small file per kept process.

The pid alone is not enough, because pids are used again; with the process's own start time it is.
The fingerprint says what was started: a child of another command or another model is not adopted.

Linux tells a start time as so long after the boot, and works out the rest: when somebody sets the
clock, every process seems to have started at another time. So the file also holds which boot that
was and how long after it, and a start time is read as the clock of now tells it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from twotier.domain.launch import Launch

BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Record:
    """A child that was alive when this was written. `created` is in seconds since the epoch, as the
    system tells it now, `level` how often its caches were halved at its start.
    """

    pid: int
    created: float
    port: int
    fingerprint: str
    level: int = 0


def fingerprint(launch: Launch, *, identity: str) -> str:
    """A name for command, settings and model; `launch` made for port 0.

    `identity` stands for what the command cannot tell, such as size and date of the model file.
    """
    parts = [*launch.argv, str(launch.cwd), identity]
    parts += [f"{name}={value}" for name, value in sorted(launch.env.items())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read(path: Path) -> Record | None:
    """The record, or None if there is none or it is not ours to understand.

    A torn or foreign file means: nothing to adopt. Writing is atomic, so ours is never torn.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            pid=int(found["pid"]),
            created=_as_of_now(found),
            port=int(found["port"]),
            fingerprint=str(found["fingerprint"]),
            level=int(found.get("level", 0)),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write(path: Path, record: Record) -> None:
    """Replace the file in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(record) | _after_boot(record)), encoding="utf-8")
    fresh.replace(path)


def _after_boot(record: Record) -> dict[str, object]:
    """The boot and how long after it; nothing where start times do not move with the clock."""
    boot = _boot()
    return {"boot": boot, "after_boot": record.created - psutil.boot_time()} if boot else {}


def _as_of_now(found: Mapping[str, Any]) -> float:
    """The start time in seconds since the epoch, wherever the clock was set meanwhile."""
    if found.get("boot") and found["boot"] == _boot():
        return float(found["after_boot"]) + psutil.boot_time()
    return float(found["created"])


def _boot() -> str:
    """This boot's name; empty where the system gives it none."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def remove(path: Path) -> None:
    """Forget it; fine if it is not there."""
    path.unlink(missing_ok=True)
