"""The watchers there are, by their `kind`. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.domain.clock import Clock
from twotier.errors import WatchError
from twotier.watch.base import Watcher
from twotier.watch.files import FilesWatcher

KINDS = {"files": FilesWatcher.of}


def make(settings: Mapping[str, Any], *, home: Path, clock: Clock) -> Watcher:
    """The watcher that a job's `watch` describes; `home` is where its relative paths start."""
    kind = str(settings.get("kind"))
    if kind not in KINDS:
        raise WatchError(f"there is no watcher of kind {kind!r}; known: {', '.join(KINDS)}")
    return KINDS[kind](settings, home=home, clock=clock)
