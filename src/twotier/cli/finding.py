"""One thing that `twotier doctor` saw."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only `bad` makes the exit code 1."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen. `mend` is the command that makes it right, empty where nothing is wrong."""

    name: str
    level: Level
    text: str
    mend: str = ""


MARKS = {Level.OK: "ok", Level.WARN: "warn", Level.BAD: "BAD"}


def row_of(finding: Finding) -> dict[str, str]:
    """A finding for scripts."""
    return {
        "name": finding.name,
        "level": finding.level.value,
        "text": finding.text,
        "mend": finding.mend,
    }
