"""The chat template of a model on disk: how conversations, tools and calls are written for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twotier.errors import EngineError
from twotier.models import gguf
from twotier.models.describe import config_of

BYTES_MAX = 8 * 1024 * 1024


def of(model: Path) -> str:
    """The text of its template, of all of them where there are several; empty where none is found.

    In a folder it looks where mlx-lm does: a file of its own goes before the tokenizer's settings.
    Raises `EngineError` for a file that is no GGUF file.
    """
    if model.is_file():
        with model.open("rb") as file:
            found = gguf.header(file.read).values.get("tokenizer.chat_template")
        return found if isinstance(found, str) else ""
    own = _text(model / "chat_template.jinja")
    return own or "\n".join(_texts(_settings(model / "tokenizer_config.json")))


def _texts(settings: dict[str, Any]) -> list[str]:
    given = settings.get("chat_template")
    several = given if isinstance(given, list) else [{"template": given}]
    found = [one.get("template") for one in several if isinstance(one, dict)]
    return [one for one in found if isinstance(one, str)]


def _settings(path: Path) -> dict[str, Any]:
    try:
        return config_of(_text(path).encode())
    except EngineError:
        return {}


def _text(path: Path) -> str:
    """Empty where it cannot be read: the model may still be served."""
    try:
        if path.stat().st_size > BYTES_MAX:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
