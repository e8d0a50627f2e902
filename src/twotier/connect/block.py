"""A block of lines between two marks, for formats that are changed as text: YAML, `.env`. Pure."""

from __future__ import annotations

import re

from twotier.errors import ConfigError

BEGIN = "# twotier: begin. Written by `twotier connect`, which changes and removes it."
END = "# twotier: end"
_MARKED = re.compile(
    r"^[ \t]*# twotier: begin.*?^[ \t]*# twotier: end[^\n]*(?:\n|\Z)", re.MULTILINE | re.DOTALL
)


def found(text: str) -> str | None:
    """The block with its marks, None where there is none."""
    match = _MARKED.search(text)
    return match[0] if match else None


def cut(text: str) -> str:
    """Without it."""
    return _MARKED.sub("", text)


def put(text: str, body: str, *, under: str = "", first: bool = False) -> str:
    """With the block at the end, or among the items of the YAML list `under`; in place of the one
    that is there. Raises `ConfigError` where the list is written in a way that is not known.
    """
    text = cut(text)
    ending = "" if not text or text.endswith("\n") else "\n"
    if not under:
        return text + ending + marked(body, "")
    place = re.search(rf"^{re.escape(under)}:[ \t]*(#[^\n]*)?(?:\n|\Z)", text, re.MULTILINE)
    if place is None:
        if re.search(rf"^{re.escape(under)}:", text, re.MULTILINE):
            raise ConfigError(f"`{under}:` is written on one line; write its items below it")
        return text + ending + marked(f"{under}:\n{body}", "")
    begin, end, indent = items(text, place.end())
    at = begin if first else end
    head = text[:at] + ("" if text[:at].endswith("\n") else "\n")
    return head + marked(body, indent) + text[at:]


def items(text: str, begin: int) -> tuple[int, int, str]:
    """Where the items of a list begin and end, and how far they are indented."""
    at = end = begin
    indent: str | None = None
    for line in text[begin:].splitlines(keepends=True):
        at += len(line)
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue  # what stands in front of the next key is that one's
        if not line.startswith((" ", "\t", "-")):
            break
        if indent is None:
            indent = line[: len(line) - len(line.lstrip())]
        end = at
    return begin, end, "  " if indent is None else indent


def marked(body: str, indent: str) -> str:
    """The block."""
    lines = (BEGIN, *body.rstrip("\n").splitlines(), END)
    return "".join(f"{indent}{line}\n" for line in lines)
