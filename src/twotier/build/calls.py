"""How a tier's model writes its tool calls."""

from __future__ import annotations

from twotier.build.shelves import model_path
from twotier.config.load import Loaded
from twotier.errors import EngineError
from twotier.models import template
from twotier.protocols.toolcalls import by_model, by_template


def family(model: str, shown: str, *, loaded: Loaded) -> str:
    """By its chat template where its files are on this machine, else by the name it is shown by."""
    try:
        written = by_template(template.of(model_path(model, loaded)))
    except EngineError:
        written = ""
    return written or by_model(shown)
