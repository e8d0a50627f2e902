"""Where the models of the configuration lie on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path

from twotier.config.load import Loaded
from twotier.config.paths import hub, lmstudio, models, ollama
from twotier.errors import EngineError
from twotier.models import starter
from twotier.models.shelf import Shelves, lookup

STARTER = "starter"


def shelves() -> Shelves:
    """Every place where a model may lie, as this machine's environment says."""
    return Shelves(models(), hub(), ollama(), lmstudio())


def model_path(model: str, loaded: Loaded) -> Path:
    """Where a model's files lie. Raises `EngineError` when they are not on this machine."""
    if model == STARTER:
        if found := starter.present(models()):
            return found
        raise EngineError("the starter model is not fetched; run `twotier models pull starter`")
    direct = loaded.resolve(model)
    if direct.exists():
        return direct
    if on_disk := lookup(model, shelves().found()):
        return on_disk.path
    raise EngineError(f"the model {model} is not on this machine; `twotier models list` shows all")


def other_models(name: str, loaded: Loaded) -> int:
    """The bytes of the models that other tiers of ours keep loaded beside this one.

    Tiers that share one place in memory are never loaded together.
    """
    tiers = loaded.config.tiers
    total = 0
    for other, config in tiers.items():
        shares = other == (tiers[name].in_place_of or name)
        if config.is_kept and not shares and config.in_place_of is None:
            with contextlib.suppress(EngineError):
                total += bytes_on_disk(model_path(config.model, loaded))
    return total


def bytes_on_disk(model: Path) -> int:
    """Of a model's files; 0 for one that is not there, so that the engine may say so."""
    files = model.iterdir() if model.is_dir() else [model]
    return sum(file.stat().st_size for file in files if file.is_file())
