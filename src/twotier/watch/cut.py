"""Long text made short, between characters, with the number of bytes that were left out. Pure."""

from __future__ import annotations

import hashlib

TITLE_CHARACTERS_MAX = 200


def cut(text: str, *, bytes_max: int) -> tuple[str, int]:
    """The first `bytes_max` bytes of a text as UTF-8, and how many bytes that leaves out."""
    whole = text.encode("utf-8", errors="replace")
    if len(whole) <= bytes_max:
        return whole.decode(), 0
    head = whole[:bytes_max].decode("utf-8", errors="ignore")
    return head, len(whole) - len(head.encode())


def first_line(text: str) -> str:
    """A title made of a text that has none: its first line, on one line, not too long."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return one_line(line)


def one_line(text: str) -> str:
    """White space made plain, and no longer than a title is."""
    return " ".join(text.split())[:TITLE_CHARACTERS_MAX]


def mark(*parts: str) -> str:
    """A short name for these texts: the same for the same, whatever their length."""
    digest = hashlib.sha256()
    for part in parts:
        whole = part.encode("utf-8", errors="replace")
        digest.update(len(whole).to_bytes(8, "big") + whole)
    return digest.hexdigest()
