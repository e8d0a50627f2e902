"""Changes a configuration's text where a person would, and leaves all the rest as it is.

Comments, order and blank lines stay. Pure: text in, text out; whoever calls it checks the result
before it is written. What it cannot change safely is refused with the line to write by hand.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress

from twotier.errors import NOT_READABLE, ConfigError


def value(thing: object) -> str:
    """A plain value as TOML."""
    match thing:
        case bool():
            return "true" if thing else "false"
        case str():
            return json.dumps(thing, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            inside = ", ".join(
                f"{json.dumps(str(key))} = {value(one)}" for key, one in thing.items()
            )
            return f"{{ {inside} }}" if inside else "{}"
        case Iterable():
            return f"[{', '.join(value(one) for one in thing)}]"
    return str(thing)


def put(text: str, section: str, *, key: str, to: object) -> str:
    """With one setting of a section changed or added; the section is made where there is none."""
    lines = text.splitlines()
    line = f"{name_of(key)} = {value(to)}"
    begin, end = bounds(lines, section)
    if begin is None:
        return "\n".join([*lines, "", f"[{section}]", line]) + "\n"
    for place in range(begin + 1, end):
        if key_of(lines[place]) == key:
            if lines[place].count("[") != lines[place].count("]"):
                raise ConfigError(f"[{section}] {key} spans lines; write it by hand: {line}")
            lines[place] = line + comment_of(lines[place])
            return "\n".join(lines) + "\n"
    lines.insert(begin + 1, line)
    return "\n".join(lines) + "\n"


def drop(text: str, section: str, *, key: str) -> str:
    """Without one setting of a section; as it was where there is none."""
    lines = text.splitlines()
    begin, end = bounds(lines, section)
    if begin is None:
        return text
    kept = [
        line
        for place, line in enumerate(lines)
        if not (begin < place < end and key_of(line) == key)
    ]
    return "\n".join(kept) + "\n"


def cut(text: str, section: str) -> str:
    """Without a section and the comments that stand right above it; as it was without one."""
    lines = text.splitlines()
    begin, end = bounds(lines, section)
    if begin is None:
        return text
    while begin and lines[begin - 1].lstrip().startswith("#"):
        begin -= 1
    # Comments above the next heading belong to that one.
    while end < len(lines) and lines[end - 1].lstrip().startswith("#"):
        end -= 1
    before, after = lines[:begin], lines[end:]
    while before and not before[-1].strip():
        before.pop()
    return "\n".join([*before, *([""] if before and after else []), *after]) + "\n"


def bounds(lines: list[str], section: str) -> tuple[int | None, int]:
    """Where a section's heading stands and where its lines end."""
    begin: int | None = None
    for place, line in enumerate(lines):
        if not line.lstrip().startswith("["):
            continue
        if begin is not None:
            return begin, place
        if re.match(rf"\s*\[{re.escape(section)}\]\s*(#.*)?$", line):
            begin = place
    return begin, len(lines)


def key_of(line: str) -> str:
    """The name of the setting on a line, empty for other lines."""
    name, equals, _ = line.partition("=")
    return name.strip().strip('"') if equals and not line.lstrip().startswith("#") else ""


def comment_of(line: str) -> str:
    """What stands behind a setting's value; a `#` inside of a text begins none."""
    for place, character in enumerate(line):
        if character == "#":
            with suppress(*NOT_READABLE):
                tomllib.loads(line[:place])
                return f"  {line[place:]}"
    return ""


def name_of(key: str) -> str:
    """A key as TOML: bare where it may be."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
