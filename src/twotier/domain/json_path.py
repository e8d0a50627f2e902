"""Where a value lies in a JSON answer: `data.items`, `list[0].name`, `["odd.name"]`, empty for all.

Small on purpose: names, places in lists, nothing that searches. What is not there is `MISSING`,
which is not the same as a null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

PART = re.compile(r"""(?:^|\.)([^.\[\]"'\s]+)|\[(-?\d{1,6})\]|\[("(?:[^"\\]|\\.)*")\]""")


class Missing:
    """What is found where nothing lies."""

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()


def parts_of(path: str) -> tuple[str | int, ...]:
    """A path as names and numbers. Raises ValueError with what may be written."""
    found: list[str | int] = []
    place = 0
    while place < len(path):
        match = PART.match(path, place)
        if match is None or path.startswith("."):
            raise ValueError(
                f'{path!r} is no path; write for example data.items, list[0].name or ["odd.name"]'
            )
        name, number, quoted = match.groups()
        found.append(int(number) if number else json.loads(quoted) if quoted else name)
        place = match.end()
    return tuple(found)


def at(value: Any, parts: Sequence[str | int]) -> Any:
    """What lies there, `MISSING` where nothing does."""
    for part in parts:
        if isinstance(part, int) and isinstance(value, list):
            value = value[part] if -len(value) <= part < len(value) else MISSING
        elif isinstance(part, str) and isinstance(value, dict):
            value = value.get(part, MISSING)
        else:
            return MISSING
    return value
