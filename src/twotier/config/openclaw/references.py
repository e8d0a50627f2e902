"""Which model a name of OpenClaw's means. Pure.

Without a slash it is an alias (in any case), a short name that OpenClaw knows, or else a model of
Anthropic's. With one, the provider stands before the first slash and the rest is the model's id, so
that `mlx-local/lmstudio-community/MiniMax` is the provider `mlx-local`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

DEFAULT_PROVIDER = "anthropic"
OTHER_NAMES = {"z.ai": "zai", "z-ai": "zai", "opencode-zen": "opencode", "kimi-code": "kimi-coding"}
# Short names count where the list of models has such a one.
SHORT = {
    "opus": "anthropic/claude-opus-",
    "sonnet": "anthropic/claude-sonnet-",
    "gpt": "openai/gpt-",
    "gpt-mini": "openai/gpt-",
    "gemini": "google/gemini-",
    "gemini-flash": "google/gemini-",
}
VERSION = re.compile(r"(opus|sonnet|haiku)-(\d+)\.(\d+)")


class Ref(NamedTuple):
    """A provider of OpenClaw's, and the model's id there."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


def resolved(name: str, *, aliases: Mapping[str, str], listed: Iterable[str] = ()) -> Ref | None:
    """What a name stands for; None for one that is empty or has no model. `aliases` are in lower
    case and lead to full names, `listed` are full names.
    """
    word = name.strip()
    if "/" not in word:
        short = SHORT.get(word.lower())
        fitting = (one for one in listed if short and fits(word.lower(), one, start=short))
        word = aliases.get(word.lower()) or next(fitting, "") or word
    provider, slash, model = word.partition("/")
    if not slash:
        provider, model = DEFAULT_PROVIDER, provider
    provider = provider.strip().lower()
    provider = OTHER_NAMES.get(provider, provider)
    model = model.strip()
    if provider == DEFAULT_PROVIDER and (version := VERSION.fullmatch(model)):
        model = f"claude-{version[1]}-{version[2]}-{version[3]}"
    return Ref(provider, model) if provider and model else None


def fits(word: str, full: str, *, start: str) -> bool:
    """Whether a full name is one that a short name means."""
    ending = {"gpt-mini": "mini", "gemini-flash": "flash"}.get(word)
    small = "-mini" in full or "-flash" in full
    return full.lower().startswith(start) and (ending in full if ending else not small)
