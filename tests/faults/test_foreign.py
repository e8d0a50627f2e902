"""F20: whatever a stranger sends is read or refused, and in time that grows with its length.

The fuzzer that looks for more of it is `test_atheris`.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import twotier
from tests.faults.attacks import REPEATED, against, filled
from tests.faults.foreign import TARGETS, Target, Within
from tests.faults.growth import faster_than_a_line, seconds_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if os.environ.get("SOAK") else 900)]

STEP = 1 if os.environ.get("SOAK") else 4  # of what is repeated, one in so many
DEEP = (400, 900, 3_000, 60_000)  # some readers give up at a few hundred levels, some at thousands
# What once went through its reader as an error that it does not declare.
CRASHED: list[tuple[str, bytes]] = [
    ("verified", b"1" * 64_000),
    ("verified", b"1 + " + b"9" * 5_000 + b" = 2"),
    ("verified", b"\\boxed{" + b"9" * 5_000 + b"}"),
    ("verified", b"[1e999]"),
    ("verified", b"[NaN]"),
    ("config", b"a = " + b"9" * 5_000),
    ("prices", b"a = " + b"9" * 5_000),
]
OPENED = [
    *(("config", start, "") for start in ("a = ", "[jobs]\na = ")),
    *(("prices", start, "") for start in ("a = ", "")),
    *((name, "", "") for name in ("edited", "json5", "lenient", "audited", "model files", "feed")),
    *((name, "", "1") for name in ("verified", "schema", "watched", "openclaw", "audited")),
    *((name, "", "1") for name in TARGETS if name.startswith(("body", "upstream"))),
    ("schema", '[{"type":"object","properties":{"a":', "{}}},1]"),
    ("calls", "\x01<tool_call>", "</tool_call>"),
]
BRACKETS = (("[", "]"), ("{a=", "}"), ('{"a":', "}"), ('{"items":[', "]}"), ("<a>", "</a>"))


def test_what_once_crashed_a_reader_is_refused() -> None:
    """Each is a story of its own, told by its name and its bytes."""
    for name, data in CRASHED:
        TARGETS[name].take(data)


@pytest.mark.parametrize(("name", "begin", "inner"), OPENED)
def test_nobody_is_too_deep(name: str, begin: str, inner: str) -> None:
    """Closed and left open, at depths around those where parsers and Python itself give up."""
    for opened, closed in BRACKETS:
        for levels in DEEP:
            TARGETS[name].take(f"{begin}{opened * levels}".encode())
            TARGETS[name].take(f"{begin}{opened * levels}{inner}{closed * levels}".encode())


def sized(target: Target, within: Within, *, part: str, size: int) -> Any:
    """The work of reading so many bytes of one thing again and again."""
    data = within(part * (size // len(part.encode())))
    return partial(target.take, data)


@pytest.mark.parametrize("name", TARGETS)
def test_readers_take_time_as_their_input_grows(name: str) -> None:
    """At 64 KB of anything, alone or where a text stands in something good."""
    target = TARGETS[name]
    slow = []
    for at, within in enumerate((str.encode, *target.within)):
        for part in REPEATED[at % STEP :: STEP]:
            work = partial(sized, target, within, part=part)
            if found := faster_than_a_line(work):
                slow.append(f"{name}, place {at}, {part!r}: {found}")
    assert not slow, "\n".join(slow)


# Patterns that are only tried where a cheap look has found their beginning, or on a short text.
HELD_OTHERWISE = {
    "twotier.agent.guard": "texts end at the last mark that could end one of them (`plain`)",
    "twotier.protocols.toolcalls": "tried at one place, behind an opener (`scan`)",
}


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every pattern of the program that has a name, or stands in a table that has one."""
    for module in pkgutil.walk_packages(twotier.__path__, "twotier."):
        if "migrations" in module.name or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            yield from ((f"{module.name}.{name}", one) for one in patterns_in(value, 2))


def patterns_in(value: Any, depth: int) -> Iterator[re.Pattern[Any]]:
    """A pattern, or those of a table."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, dict):
        yield from (found for one in value.values() for found in patterns_in(one, depth - 1))
    elif depth and isinstance(value, tuple | list):
        yield from (found for one in value for found in patterns_in(one, depth - 1))


def ways(name: str, sources: Mapping[str, str]) -> set[str]:
    """How a pattern is tried, by its own module or else by any: `match` begins at one place."""
    module, _, short = name.rpartition(".")
    calls = re.compile(rf"(?<!\w){re.escape(short)}\.(\w+)\(")
    found = set(calls.findall(sources[module])) or set(calls.findall("\n".join(sources.values())))
    return found if found and found <= {"match", "fullmatch"} else {"finditer"}


def tried(pattern: re.Pattern[Any], way: str, *, attack: tuple[str, str], size: int) -> Any:
    """The work of trying a pattern on a text that is made against it."""
    begin, part = attack
    text = filled(begin, part, size=size)
    given = text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text
    if way == "finditer":
        return lambda: sum(1 for _ in pattern.finditer(given))
    return partial(getattr(pattern, way), given)


def test_patterns_take_time_as_their_text_grows() -> None:
    """Each against texts made of its own parts: what it begins to look for and does not find."""
    root = Path(twotier.__file__).parent
    sources = {
        ".".join(("twotier", *path.relative_to(root).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path.read_text(encoding="utf-8")
        for path in root.rglob("*.py")
    }
    slow, seen = [], set()
    for name, pattern in patterns():
        if pattern in seen or any(name.startswith(one) for one in HELD_OTHERWISE):
            continue
        seen.add(pattern)
        for way in ways(name, sources):
            first = partial(tried, pattern, way, size=1_000)
            hardest = sorted(against(pattern), key=lambda one: -seconds_of(first(attack=one)))
            for attack in hardest[:3]:
                work = partial(tried, pattern, way, attack=attack)
                if found := faster_than_a_line(work):
                    slow.append(f"{name} ({way}) {attack!r}: {found}")
                    break
    assert len(seen) > 150
    assert not slow, "\n".join(slow)
