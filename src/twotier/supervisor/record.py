"""What the next main needs to find a living child again: one small file per kept process.

The pid alone is not enough, because pids are used again; with the process's own start time it is.
The fingerprint says what was started: a child of another command or another model is not adopted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from twotier.domain.launch import Launch


@dataclass(frozen=True, slots=True)
class Record:
    """A child that was alive when this was written. `created` is in seconds since the epoch,
    `level` how often its caches were halved at its start.
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
            created=float(found["created"]),
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
    fresh.write_text(json.dumps(asdict(record)), encoding="utf-8")
    fresh.replace(path)


def remove(path: Path) -> None:
    """Forget it; fine if it is not there."""
    path.unlink(missing_ok=True)
