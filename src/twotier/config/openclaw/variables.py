"""`${NAME}` in the texts of OpenClaw's configuration, and where its secrets lie. Pure.

A variable that is missing or empty is kept as it stands and told, as OpenClaw of 2026 does; only
upper-case names count, and `$${NAME}` is a plain text. What is filled in may be an address or a
name, never a secret: a variable that sounds like one stays a place, so its value gets into no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twotier.config.openclaw.notes import table, text
from twotier.domain.secret import sounds_secret

TOKEN = re.compile(r"\$(\$?)\{([A-Z_][A-Z0-9_]*)\}")
LONE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
# What providers' keys look like; one in a prompt or an address is left out of ours.
KEYS = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|xox[abeprs]-[\w-]{10,}"
    r"|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|glpat-[\w-]{16,}|npm_[A-Za-z0-9]{30,}"
    r"|\d{8,10}:[A-Za-z0-9_-]{35}|(?<=Bearer )[\w.~+/-]{20,}=*)"
)
KEY_LEFT_OUT = "(a key that was left out)"
LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
# What people write where a server at home wants some key and looks at none.
MARKERS = frozenset(
    [
        "local",
        "none",
        "no-key",
        "not-needed",
        "dummy",
        "x",
        "test",
        "ollama",
        "ollama-local",
        "lm-studio",
        "lmstudio",
        "mlx",
        "vllm",
        "llama",
        "llamacpp",
        "llama-cpp",
        "sk-local",
        "sk-no-key",
        "sk-no-key-required",
        "na",
        "n/a",
        "empty",
        "placeholder",
        "custom-local",
    ]
)


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a key lies, in our words; empty where none is needed. `because`: what its owner has
    to do, empty if nothing.
    """

    place: str
    because: str = ""


def filled(value: str, env: Mapping[str, str]) -> str:
    """A text with its variables; one that is missing, or sounds like a secret, stays as it is."""

    def one(match: re.Match[str]) -> str:
        if match[1]:
            return f"${{{match[2]}}}"
        found = "" if sounds_secret(match[2]) else env.get(match[2], "")
        return found or match[0]

    return TOKEN.sub(one, value)


def missing(value: Any, env: Mapping[str, str], *, at: str = "") -> Iterator[tuple[str, str]]:
    """The variables that are named and not set, each with the path of the setting."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from missing(one, env, at=f"{at}.{name}" if at else str(name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from missing(one, env, at=f"{at}[{number}]")
    elif isinstance(value, str):
        for match in TOKEN.finditer(value):
            if not match[1] and not env.get(match[2]):
                yield match[2], at


def unfilled(value: str) -> list[str]:
    """The variables that are still in a text."""
    return [match[2] for match in TOKEN.finditer(value) if not match[1]]


def secret(value: Any, *, name: str, at_home: bool) -> Secret:
    """The place of a key. `name`: the variable it is given where it has none yet; `at_home`: its
    server stands on this machine or in this network.
    """
    if isinstance(value, dict):
        source, id_ = text(table(value).get("source")), text(value.get("id"))
        if source == "env" and LONE.fullmatch(f"${{{id_}}}"):
            return Secret(f"env:{id_}")
        return Secret(
            f"env:{name}", f"its key lies in OpenClaw's {source or 'own'} store: set {name}"
        )
    word = text(value)
    if match := LONE.fullmatch(word):
        return Secret(f"env:{match[1]}")
    if not word or (at_home and word.lower() in MARKERS):
        return Secret("" if at_home else f"env:{name}")
    return Secret(f"env:{name}", f"its key stands in OpenClaw's file as it is: set {name} to it")


def without_keys(words: str) -> str:
    """A text without what looks like a key."""
    return KEYS.sub(KEY_LEFT_OUT, words)


def dotenv(content: str) -> dict[str, str]:
    """The variables of a `.env` file; quotes around a value are no part of it."""
    found: dict[str, str] = {}
    for line in content.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            continue
        value = match[2]
        if value[:1] in ("'", '"') and value.endswith(value[0]) and len(value) > 1:
            value = value[1:-1]
        found[match[1]] = value
    return found
