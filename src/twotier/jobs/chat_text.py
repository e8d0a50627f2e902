"""How a conversation is put to a model, and how a long answer is cut for a messenger. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FENCE = "```"
TITLE_CHARACTERS_MAX = 60
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Line:
    """Something said in a conversation. `role` is user or assistant."""

    role: str
    text: str


def recent(lines: Sequence[Line], *, characters_max: int) -> list[Line]:
    """The newest lines that fit, always the last one, and never an answer without its question."""
    kept: list[Line] = []
    left = characters_max
    for line in reversed(lines):
        left -= len(line.text)
        if kept and left < 0:
            break
        kept.append(line)
    kept.reverse()
    while len(kept) > 1 and kept[0].role != "user":
        kept.pop(0)
    return kept


def title_of(text: str) -> str:
    """What a conversation is called: the beginning of its first message, on one line."""
    line = " ".join(shown(text).split())
    return line if len(line) <= TITLE_CHARACTERS_MAX else f"{line[: TITLE_CHARACTERS_MAX - 3]}..."


def shown(text: str) -> str:
    """Text without what would move a terminal's cursor or turn a line round."""
    return CONTROL.sub("", text)


def parts_of(text: str, *, units_max: int) -> list[str]:
    """A long text in parts, cut at paragraphs, lines or words; code stays code in each part.

    `units_max` counts as messengers do, in units of UTF-16.
    """
    parts = []
    rest, opened = shown(text).strip(), ""
    while rest:
        room = units_max - len(opened) - len(FENCE) - 2
        piece, rest = cut(rest, room)
        piece = f"{opened}\n{piece}" if opened else piece
        opened = open_fence(piece)
        parts.append(f"{piece}\n{FENCE}" if opened else piece)
    return parts


def cut(text: str, room: int) -> tuple[str, str]:
    """The first piece that fits, and the rest."""
    if units(text) <= room:
        return text, ""
    head = text[:room]
    while units(head) > room:
        head = head[: -max(1, (units(head) - room) // 2)]
    for mark in ("\n\n", "\n", " "):
        at = head.rfind(mark)
        if at > len(head) // 2:
            return text[:at], text[at + len(mark) :]
    return head, text[len(head) :]


def units(text: str) -> int:
    """How long a text is in units of UTF-16."""
    return len(text) + sum(ord(one) > 0xFFFF for one in text)


def open_fence(text: str) -> str:
    """The line that began a block of code which is not closed here; empty where none is."""
    opened = ""
    for line in fences(text):
        opened = "" if opened else line
    return opened


def fences(text: str) -> Iterator[str]:
    """The lines that begin or end a block of code."""
    return (line.strip()[:40] for line in text.splitlines() if line.lstrip().startswith(FENCE))
