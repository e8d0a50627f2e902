"""`twotier config`: the file as it is understood."""

from __future__ import annotations

import json
from pathlib import Path

from twotier.cli.output import emit, say
from twotier.config.load import load
from twotier.config.origins import flat
from twotier.domain.urls import without_secrets


def checked(config: Path, *, as_json: bool) -> int:
    """Load it; `ConfigError` says what is wrong."""
    loaded = load(config)
    found = {"tiers": list(loaded.config.tiers), "jobs": [job.name for job in loaded.config.jobs]}
    if as_json:
        emit({"path": str(config), "valid": True, **found})
        return 0
    said = "; ".join(f"{name}: {', '.join(names) or 'none'}" for name, names in found.items())
    print(f"{config} is valid; {said}")
    return 0


def shown(config: Path, *, as_json: bool) -> int:
    """Every setting in force."""
    values = without_secrets(load(config).config.dump())
    if as_json:
        emit({"path": str(config), "config": values})
        return 0
    say(f"# {config}, defaults included")
    for path, value in flat(values):
        print(f"{path} = {json.dumps(value, ensure_ascii=False)}")
    return 0


def where(config: Path, *, as_json: bool) -> int:
    """The path that the other commands use."""
    if as_json:
        emit({"path": str(config), "exists": config.exists()})
    else:
        print(config)
    return 0


def schema() -> int:
    """The JSON schema; a document by itself, so without our version."""
    from twotier.config.schema import Config

    print(json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False))
    return 0
