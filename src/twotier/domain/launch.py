"""How a child process is started: what an engine describes and a keeper carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Launch:
    """One command. `env` is added to the few variables every child inherits; never a key.

    `cwd` None means the folder of the child's log. Keys would reach model code written by
    strangers, so a child that needs one has to ask for it over its own socket.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
