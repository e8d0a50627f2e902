"""`twotier key`: the token that clients of the gateway send. Printed only when asked for."""

from __future__ import annotations

from pathlib import Path

from twotier.cli.output import emit
from twotier.config.paths import paths_of
from twotier.config.secrets import from_file
from twotier.errors import NotFoundError


def shown(config: Path, *, as_json: bool) -> int:
    """The token itself."""
    path = paths_of(config).client_key
    token = from_file(path)
    if token is None:
        raise NotFoundError(f"no token at {path} yet; `twotier up` makes it")
    if as_json:
        emit({"key": token})
    else:
        print(token)
    return 0


def where(config: Path, *, as_json: bool) -> int:
    """The path of the file that holds it."""
    path = paths_of(config).client_key
    if as_json:
        emit({"path": str(path), "exists": path.exists()})
    else:
        print(path)
    return 0
