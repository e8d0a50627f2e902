"""The last deaths of one kept process, in a small file that is read without us.

Why a server died last night is asked in the morning, often of a main that has been restarted since.
So each death is written down with its evidence: the whole file anew, in one step, the last twenty.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from twotier.supervisor.death import Kind

KEPT = 20


@dataclass(frozen=True, slots=True)
class DeathNote:
    """One death: when, why, what was seen, what the keeper did about it.

    `evidence` are lines a person can check. `exit_code` is negative for a signal, None where nobody
    knows (an adopted process).
    """

    at: datetime
    cause: str
    kind: Kind
    action: str
    evidence: tuple[str, ...]
    exit_code: int | None
    lived_seconds: float


def read(path: Path) -> tuple[DeathNote, ...]:
    """The deaths, the newest last; none where there is no file, or one that is not ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_note(one) for one in found["deaths"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _note(told: dict[str, object]) -> DeathNote:
    code, evidence = told["exit_code"], told["evidence"]
    if not isinstance(evidence, list):
        raise TypeError(evidence)
    return DeathNote(
        at=datetime.fromisoformat(str(told["at"])),
        cause=str(told["cause"]),
        kind=Kind(str(told["kind"])),
        action=str(told["action"]),
        evidence=tuple(str(line) for line in evidence),
        exit_code=None if code is None else int(str(code)),
        lived_seconds=float(str(told["lived_seconds"])),
    )


def write(path: Path, notes: tuple[DeathNote, ...]) -> None:
    """Replace the file in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [asdict(note) | {"at": note.at.isoformat()} for note in notes[-KEPT:]]
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps({"schema_version": 1, "deaths": told}), encoding="utf-8")
    fresh.replace(path)
