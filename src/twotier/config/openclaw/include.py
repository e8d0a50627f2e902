"""`$include`: a configuration in several files becomes one, by OpenClaw's rules. Pure.

A table with `$include` takes the place of a file's value, or of several merged in order; what
stands beside it wins. Tables merge name by name, lists are joined, anything else is replaced. A
file may include others, to ten levels, and never itself. Where a file lies, and that it lies inside
the configuration's folder, is the business of whoever opens it (`disk`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twotier.config import json5
from twotier.errors import ConfigError

INCLUDE = "$include"
DEPTH_MAX = 10

# From what was written and the file it stands in: the path of the file, and its text.
Open = Callable[[str, str], tuple[str, str]]


def assembled(text: str, *, path: str, opened: Open) -> Any:
    """The value of a file with everything it includes. Raises `ConfigError`."""
    return inside(json5.read(text, source=path), (path,), opened=opened)


def inside(value: Any, chain: tuple[str, ...], *, opened: Open) -> Any:
    """A value with its includes resolved; `chain` is the files that led here, the last one's own
    last.
    """
    if isinstance(value, list):
        return [inside(one, chain, opened=opened) for one in value]
    if not isinstance(value, dict):
        return value
    beside = {
        name: inside(one, chain, opened=opened) for name, one in value.items() if name != INCLUDE
    }
    if INCLUDE not in value:
        return beside
    found = included(value[INCLUDE], chain, opened=opened)
    if beside and not isinstance(found, dict):
        raise ConfigError(
            f"{chain[-1]}: what {INCLUDE} names is no table, so nothing may stand beside it"
        )
    return merged(found, beside) if beside else found


def included(named: Any, chain: tuple[str, ...], *, opened: Open) -> Any:
    """What one file holds, or several merged in order."""
    if isinstance(named, str):
        return one_file(named, chain, opened=opened)
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ConfigError(f"{chain[-1]}: {INCLUDE} names a file, or a list of files")
    found: Any = {}
    for name in named:
        found = merged(found, one_file(name, chain, opened=opened))
    return found


def one_file(named: str, chain: tuple[str, ...], *, opened: Open) -> Any:
    """What one file holds."""
    if len(chain) > DEPTH_MAX:
        raise ConfigError(f"{chain[-1]}: {INCLUDE} goes more than {DEPTH_MAX} files deep")
    path, text = opened(named, chain[-1])
    if path in chain:
        raise ConfigError(f"{chain[-1]}: {INCLUDE} goes in a circle, back to {path}")
    return inside(json5.read(text, source=path), (*chain, path), opened=opened)


def merged(below: Any, above: Any) -> Any:
    """Two values as one; `above` wins."""
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *above]
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    both = {name: merged(below[name], above[name]) for name in below.keys() & above.keys()}
    return {**below, **above, **both}
