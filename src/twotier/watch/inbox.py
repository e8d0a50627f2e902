"""The inbox of a webhook. What is posted is stored as an item at once: there is nothing to look at.

A run takes the items that wait; see `jobs.items`. That a look is always quiet is the point: a job
with this watcher never asks a model unless somebody has posted something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twotier.watch.base import Around, Look


class InboxWatcher:
    """Looks nowhere."""

    @classmethod
    def of(cls, _settings: Mapping[str, Any], _around: Around) -> InboxWatcher:
        """The watcher of a job's `watch` settings."""
        return cls()

    @property
    def place(self) -> str:
        """There is one for each job."""
        return "inbox:"

    async def look(self, cursor: Any) -> Look:
        """Nothing, ever."""
        return Look((), cursor)
