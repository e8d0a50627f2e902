"""What macOS's own commands say about power and Spotlight. Pure: their text in, values out.

Written from what others recorded: none of these commands could be run where this was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

NEVER_INDEX = ".metadata_never_index"
_SECTION = re.compile(r"^(\S.*Power):\s*$")
_SETTING = re.compile(r"^\s+([a-z]+)\s+(\d+)\b")


@dataclass(frozen=True, slots=True)
class Power:
    """Settings for mains power. None: the machine does not have that one.

    `sleep_minutes` 0 is never. `restarts`: it starts by itself after a power failure.
    """

    sleep_minutes: int | None = None
    disk_sleep_minutes: int | None = None
    restarts: bool | None = None


def power(text: str) -> Power:
    """Of `pmset -g custom`, the section of mains power."""
    found = settings(text).get("AC Power", {})
    restarts = found.get("autorestart")
    return Power(
        sleep_minutes=found.get("sleep"),
        disk_sleep_minutes=found.get("disksleep"),
        restarts=None if restarts is None else restarts == 1,
    )


def settings(text: str) -> dict[str, dict[str, int]]:
    """Every section with its numbers."""
    sections: dict[str, dict[str, int]] = {}
    here: dict[str, int] = {}
    for line in text.splitlines():
        if heading := _SECTION.match(line):
            here = sections.setdefault(heading.group(1), {})
        elif found := _SETTING.match(line):
            here[found.group(1)] = int(found.group(2))
    return sections


def indexing(text: str) -> bool | None:
    """Of `mdutil -s VOLUME`: whether Spotlight indexes it; None where it does not say."""
    if "Indexing enabled" in text:
        return True
    return False if "Indexing disabled" in text or "No index" in text else None


def hidden(folder: PurePath) -> bool:
    """Whether Spotlight passes it over by its name: below a folder with a dot, or `.noindex`."""
    return any(part.startswith(".") or part.endswith(".noindex") for part in folder.parts)


def outermost(folders: Iterable[PurePath]) -> list[PurePath]:
    """Without those inside another one: what is true of a folder is true of all below it."""
    found: list[PurePath] = []
    for folder in sorted(set(folders), key=lambda one: len(one.parts)):
        if not any(folder.is_relative_to(one) for one in found):
            found.append(folder)
    return found
