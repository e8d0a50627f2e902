"""What `twotier doctor` says of logs of other programs and of the admin key."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twotier.build.outside import claude_folder, openclaw_folder
from twotier.cli.finding import Finding, Level
from twotier.config.load import Loaded
from twotier.config.secrets import how_to_set, resolve


def outside(loaded: Loaded, _: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Logs that could be counted, logs that are not there, a key that is missing."""
    config = loaded.config.outside
    yield from logs("claude_code", claude_folder(loaded) / "projects", on=config.claude_code)
    yield from logs("openclaw", openclaw_folder(loaded) / "agents", on=config.openclaw)
    place = config.admin_key
    if place is not None and resolve(place, home=loaded.home) is None:
        text = "[outside] admin_key: nothing lies there, so the provider is not asked"
        yield Finding("outside admin_key", Level.WARN, text, how_to_set(place, home=loaded.home))


def logs(name: str, folder: Path, *, on: bool) -> Iterator[Finding]:
    """One program's. They are read only where the owner says so."""
    there = folder.is_dir()
    if there and not on:
        text = (
            f"{folder} has session logs; with `{name} = true` in [outside] twotier counts what"
            " did not come through it (numbers and names of models, never a text)"
        )
        yield Finding(f"outside {name}", Level.OK, text)
    if on and not there:
        text = f"[outside] {name} is on, and there is no {folder}; set {name}_folder"
        yield Finding(f"outside {name}", Level.WARN, text, f"ls -ld {shlex.quote(str(folder))}")
