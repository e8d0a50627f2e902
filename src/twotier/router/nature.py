"""Whether the next step of an agent will read or write, from what its last steps did.

"Reads more than it writes" is true of whole agent runs, all of them; of single steps it tells
something. A model that has just looked at files mostly goes on looking, and one that edits goes on
editing; what it calls is in the history. The last call counts double. A command may be anything.

Nothing is decoded: the names stand beside the arguments in the bytes of the body, from its end
backwards, in each dialect. Pure; some microseconds for 100 KB.
"""

from __future__ import annotations

import re

CALLS = 3
NEAR_BYTES = 200  # between a name and its arguments
_MARKS = (b'"arguments"', b'"input"')
_BEFORE = re.compile(rb'"name"\s*:\s*"([^"\\]{1,64})"[^{}\[\]]*$')
# The other way round, as OpenAI's own library writes them.
_BEHIND = re.compile(rb'"arguments"\s*:\s*"(?:[^"\\]|\\.)*+"\s*,\s*"name"\s*:\s*"([^"\\]{1,64})"')
_WORDS = re.compile(r"[a-z]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
READS = frozenset(
    (
        "read", "get", "list", "search", "grep", "find", "fetch", "view", "ls", "cat", "glob",
        "open", "query", "look", "show", "browse", "stat", "head", "tail", "inspect", "describe",
        "lookup", "recall", "prices", "screenshot",
    )
)  # fmt: skip
WRITES = frozenset(
    (
        "write", "edit", "patch", "create", "update", "apply", "replace", "insert", "delete",
        "commit", "send", "post", "append", "put", "rename", "move", "notify", "save", "publish",
        "upload", "multiedit",
    )
)  # fmt: skip


def step_of(body: bytes) -> str:
    """`read`, `write`, or empty where nobody knows."""
    balance = 0
    for number, name in enumerate(last_calls(body)):
        balance += (2 if number == 0 else 1) * weight(name)
    return "read" if balance > 0 else "write" if balance < 0 else ""


def weight(name: str) -> int:
    """1 for a tool that reads, -1 for one that writes, 0 for who knows."""
    words = set(_WORDS.findall(_CAMEL.sub(" ", name).lower()))
    return -1 if words & WRITES else bool(words & READS)


def last_calls(body: bytes) -> list[str]:
    """The names of the last calls in a conversation, the latest first."""
    found: list[str] = []
    end = len(body)
    while len(found) < CALLS:
        at = max(body.rfind(mark, 0, end) for mark in _MARKS)
        if at < 0:
            break
        if name := _named(body, at):
            found.append(name)
        end = at
    return found


def _named(body: bytes, at: int) -> str:
    """Whose arguments begin there; empty where it is something else of that name."""
    before = _BEFORE.search(body[max(0, at - NEAR_BYTES) : at])
    behind = before or _BEHIND.match(body, at)
    return behind.group(1).decode("utf-8", "replace") if behind else ""
