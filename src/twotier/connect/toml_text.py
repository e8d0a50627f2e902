"""Changes a TOML text at its top, before the first table, and leaves the rest as it is. Pure.

Tables are changed by `twotier.config.edit`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from twotier.config.edit import bounds, comment_of, cut, key_of, name_of, value
from twotier.errors import NOT_READABLE, ConfigError


def read(text: str) -> dict[str, Any]:
    """The document. Raises `ConfigError`."""
    try:
        return tomllib.loads(text)
    except NOT_READABLE as exc:
        raise ConfigError(f"it is no TOML: {exc}; mend it first") from exc


def put_top(text: str, key: str, *, to: object) -> str:
    """With a setting that belongs to no table."""
    lines = text.splitlines()
    line = f"{name_of(key)} = {value(to)}"
    place = place_of(lines, key)
    if place is None:
        lines.insert(first_setting(lines), line)
    else:
        lines[place] = line + comment_of(lines[place])
    return "\n".join(lines) + "\n"


def put_line(text: str, key: str, *, line: str | None) -> str:
    """With the line of a setting as it once was; without the setting where there was none."""
    lines = text.splitlines()
    place = place_of(lines, key)
    if place is not None:
        lines[place : place + 1] = [] if line is None else [line]
    return "\n".join(lines) + "\n" if any(map(str.strip, lines)) else ""


def line_of(text: str, key: str) -> str | None:
    """The line of a setting at the top, None where there is none."""
    lines = text.splitlines()
    place = place_of(lines, key)
    return None if place is None else lines[place]


def place_of(lines: list[str], key: str) -> int | None:
    """Where it stands. Raises `ConfigError` for a value over several lines."""
    for place, line in enumerate(lines[: top_end(lines)]):
        if key_of(line) != key:
            continue
        try:
            tomllib.loads(line)
        except NOT_READABLE as exc:
            raise ConfigError(f"{key} spans lines; change it by hand") from exc
        return place
    return None


def top_end(lines: list[str]) -> int:
    """Where the first table begins."""
    return next(
        (place for place, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines)
    )


def first_setting(lines: list[str]) -> int:
    """Behind the comment at the very top, which tells of the whole file."""
    place = 0
    while place < len(lines) and lines[place].startswith("#"):
        place += 1
    return place


def put_table(text: str, name: str, *, settings: Mapping[str, Any]) -> str:
    """With a table of ours at the end, in place of one of that name, its own tables included."""
    text = without_table(text, name)
    lines = [f"[{name}]", *(f"{name_of(key)} = {value(to)}" for key, to in settings.items())]
    return text + ("\n" if text.strip() else "") + "\n".join(lines) + "\n"


def without_table(text: str, name: str) -> str:
    """Without a table and those inside it."""
    inside = [line.strip() for line in text.splitlines() if line.lstrip().startswith(f"[{name}.")]
    for heading in (name, *(line[1 : line.find("]")] for line in inside)):
        if bounds(text.splitlines(), heading)[0] is not None:
            text = cut(text, heading)
    return text if text.strip() else ""
