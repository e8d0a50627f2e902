"""The tools there are, by the names that a job gives: `fetch`, `files`, `send:phone`, `api:home`.

Each is loaded when a job first uses it. A name may stand for several tools, and a target after the
colon says which of many, or what of it the owner has declared. MCP servers (`mcp:...`) and
`delegate` are made elsewhere; they are known here so that all names stand in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module

from twotier.domain.label import Label, Labels
from twotier.errors import ToolError
from twotier.tools.base import Tool
from twotier.tools.settings import Bench, Wanted

ELSEWHERE = ("mcp", "delegate")

Maker = Callable[[Wanted, Bench], Sequence[Tool]]


@dataclass(frozen=True, slots=True)
class Kind:
    """Where tools of a name are made, what they do in one line, and their labels at most.

    `target` is what may stand after the colon, empty where nothing may; `needed`: must stand.
    """

    place: str
    does: str
    labels: Labels
    target: str = ""
    needed: bool = False


READS: Labels = frozenset({Label.PRIVATE})
STRANGERS: Labels = frozenset({Label.PRIVATE, Label.UNTRUSTED})
FILES = "twotier.tools.files"
KINDS = {
    "read_file": Kind(FILES, "reads a text file of the job's folder", STRANGERS),
    "list_files": Kind(FILES, "lists files of the job's folder", STRANGERS),
    "search_files": Kind(FILES, "finds lines in files of the job's folder", STRANGERS),
    "write_file": Kind(
        FILES, "writes a text file of the job's folder", READS | {Label.CHANGES}, "PATTERN"
    ),
    "fetch": Kind(
        "twotier.tools.fetch",
        "reads a web page as text",
        frozenset({Label.UNTRUSTED, Label.SENDS}),
    ),
    "search": Kind(
        "twotier.tools.search",
        "searches the web",
        frozenset({Label.UNTRUSTED, Label.SENDS, Label.COSTS}),
    ),
    "api": Kind(
        "twotier.tools.api",
        "asks an HTTP API of yours",
        STRANGERS | {Label.SENDS, Label.CHANGES},
        "NAME",
        needed=True,
    ),
    "send": Kind(
        "twotier.tools.send",
        "sends a message to a destination of yours",
        frozenset({Label.SENDS}),
        "NAME",
    ),
    "git": Kind("twotier.tools.git", "reads the git repository of the job's folder", READS),
    "command": Kind(
        "twotier.tools.command",
        "runs a program that you allow",
        STRANGERS | {Label.CHANGES, Label.SENDS},
        "NAME",
        needed=True,
    ),
}
GROUPS = {"files": ("read_file", "list_files", "search_files")}
NEEDS_FOLDER = frozenset(
    {"read_file", "list_files", "search_files", "write_file", "git", "command"}
)


def named(names: Iterable[str]) -> dict[str, list[str]]:
    """Kinds with their targets, in order, groups taken apart; what is made elsewhere left out."""
    found: dict[str, list[str]] = {}
    for name in names:
        kind, _, target = name.partition(":")
        for one in GROUPS.get(kind, (kind,)):
            if one not in ELSEWHERE:
                found.setdefault(one, []).extend([target] if target else [])
    return found


def make(names: Iterable[str], bench: Bench) -> list[Tool]:
    """The tools that a job names. Raises `ToolError` for one there is not."""
    tools: list[Tool] = []
    for name, targets in named(names).items():
        if name not in KINDS:
            raise ToolError(f"there is no tool {name!r}; known: {', '.join([*KINDS, *GROUPS])}")
        maker: Maker = import_module(KINDS[name].place).make
        tools += maker(Wanted(name, tuple(targets)), bench)
    return tools


def labels_shown(labels: Labels) -> str:
    """Labels in words, in the order they are defined."""
    return ", ".join(one.value for one in Label if one in labels) or "none"
