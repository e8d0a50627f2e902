"""Takes out of a system's output what nobody else should know. Pure.

User names, host names, paths, serial numbers, addresses, keys. It would rather take out too much:
what stays are the numbers and the words of the system, which is what the output is wanted for. A
person reads the file before sending it all the same, and is told to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SYSTEM = r"(?:usr|bin|sbin|System|dev|etc|proc|sys|opt/homebrew)\b"
# The last of them in a name: from each one a name without a value would be read to its end.
_NAMES = r"(?:token|secret|passw(?:or)?d|api[_-]?key|credential)"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 <key>"),
    (re.compile(r"\b(?:sk|hf|ghp|gho|xox[abp]|pk|rk)[-_][\w-]{8,}"), "<key>"),
    (re.compile(r"\bA(?:KI|SI)A[A-Z0-9]{12,}\b"), "<key>"),
    (re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+"), "<key>"),
    (
        re.compile(rf"(?i)({_NAMES}(?:(?!{_NAMES})[\w-])*+\"?\s*+(?:=>|=|:)\s*+)\S+"),
        r"\1<secret>",
    ),
    (re.compile(r"(?m)^([ \t]*+[\w.-]++ => ).*$"), r"\1<value>"),
    (re.compile(r"(?i)(serial(?: number)?[\w ()]*\"?\s*[:=]\s*)\S+"), r"\1<serial>"),
    (re.compile(r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b"), "<mac>"),
    (re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]+\.[\w.-]+\b"), "<mail>"),
    (re.compile(r"\b(?!127\.|0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}\b"), "<ip>"),
    (re.compile(rf"(?<![\w</])~?/(?!/|{_SYSTEM})[^\s\"'=:,;)|]*[^\s\"'=:,;)|.]"), "<path>"),
    (re.compile(r"\b[0-9a-fA-F]{32,}\b"), "<hash>"),
)  # fmt: skip
NAME_LENGTH_MIN = 3  # a user called `a` would take the letter out of every word


def redacted(text: str, *, names: Iterable[str] = ()) -> str:
    """The text without them. `names` are this machine's and its user's own, whatever they are."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    for name in sorted({one for one in names if len(one) >= NAME_LENGTH_MIN}, key=len)[::-1]:
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "<name>", text, flags=re.IGNORECASE)
    return text
