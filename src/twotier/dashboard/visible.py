"""Text of strangers as a person sees it: signs that move, hide or colour text are named. Pure.

A terminal's escapes, controls, and the marks that turn a line's direction round can make a text
look like another one. Here each stands as a sign of its own; ends of lines and tabs stay.
"""

from __future__ import annotations

import json
import re
from typing import Any

CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\N{SOFT HYPHEN}\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with all such signs named."""
    return CONTROL.sub(named, text.replace("\r\n", "\n"))


def named(match: re.Match[str]) -> str:
    """The number of a sign."""
    return f"[U+{ord(match[0]):04X}]"


def cut(text: str, characters_max: int) -> tuple[str, int]:
    """The beginning of a text, and how many characters were left out."""
    return text[:characters_max], max(0, len(text) - characters_max)


def pretty(value: Any) -> str:
    """A value of JSON over several lines, every sign as it is."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
