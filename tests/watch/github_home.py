"""Watchers of GitHub with everything around them but GitHub itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.fakes.github_api import REPO, TOKEN, GithubApi
from tests.jobs.making import HandClock
from twotier.errors import WatchError
from twotier.watch.base import Around, Look, Watcher
from twotier.watch.kinds import make

COMMON: dict[str, Any] = {
    "repo": REPO,
    "token": "env:GITHUB_TOKEN",
    "since": None,
    "items_max": 50,
    "item_bytes_max": 1_000,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "github-discussions": {"category": "", "openings": True, "own": False},
    "github-issues": {"issues": True, "pulls": False, "comments": True, "skip_authors": []},
    "github-releases": {"prereleases": False},
    "github-notifications": {"participating": True, "reasons": []},
}


class Home:
    """A watcher, its clock and the cursor that a store would keep."""

    def __init__(self, github: GithubApi, kind: str, **changes: Any) -> None:
        self.github = github
        self.clock = HandClock()
        self.token = TOKEN
        self.cursor: Any = None
        around = Around(Path("/nowhere"), self.clock, secret=self.secret)
        settings = {**COMMON, "kind": kind, "api": github.base_url, **SETTINGS[kind], **changes}
        self.watcher: Watcher = make(settings, around)

    def secret(self, place: str) -> str:
        """What lies at a place."""
        if place != "env:GITHUB_TOKEN":
            raise WatchError(f"nothing lies at {place}; set it and start again")
        return self.token

    def look(self) -> Look:
        """Look, and keep the cursor."""
        found = asyncio.run(self.watcher.look(self.cursor))
        self.cursor = found.cursor
        return found

    def texts(self) -> list[str]:
        """Look; the text of each item."""
        return [item.text for item in self.look().items]

    def refused(self) -> str:
        """Look in vain; the reason."""
        try:
            self.look()
        except WatchError as exc:
            return exc.message
        raise AssertionError("the look went well")
