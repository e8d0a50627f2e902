"""The watchers there are, by their `kind`. A new one is a new file and a line here.

Each is loaded when a job first uses it: most people use two or three of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from twotier.domain.label import NO_LABELS, Label, Labels
from twotier.errors import WatchError
from twotier.watch.base import Around, Watcher

OURS: Labels = NO_LABELS
THEIRS: Labels = frozenset({Label.UNTRUSTED})  # somebody else wrote it
LETTERS: Labels = frozenset({Label.UNTRUSTED, Label.PRIVATE})  # and it is for the owner alone


@dataclass(frozen=True, slots=True)
class Kind:
    """Where a watcher's class lies, `module:Class`, and the labels of what it brings."""

    place: str
    labels: Labels


KINDS = {
    "command": Kind("twotier.watch.command:CommandWatcher", THEIRS),
    "feed": Kind("twotier.watch.feed:FeedWatcher", THEIRS),
    "files": Kind("twotier.watch.files:FilesWatcher", THEIRS),
    "git": Kind("twotier.watch.git:GitWatcher", THEIRS),
    "github-discussions": Kind("twotier.watch.github_discussions:DiscussionsWatcher", THEIRS),
    "github-issues": Kind("twotier.watch.github_issues:IssuesWatcher", THEIRS),
    "github-notifications": Kind(
        "twotier.watch.github_notifications:NotificationsWatcher", LETTERS
    ),
    "github-releases": Kind("twotier.watch.github_releases:ReleasesWatcher", THEIRS),
    "http": Kind("twotier.watch.http:HttpWatcher", THEIRS),
    "inbox": Kind("twotier.watch.inbox:InboxWatcher", THEIRS),
    "mcp": Kind("twotier.watch.mcp:McpWatcher", LETTERS),
    "page": Kind("twotier.watch.page:PageWatcher", THEIRS),
    "imap": Kind("twotier.watch.imap:ImapWatcher", LETTERS),
    "prices": Kind("twotier.watch.prices:PricesWatcher", THEIRS),
    "x": Kind("twotier.watch.x:XWatcher", THEIRS),
}


def make(settings: Mapping[str, Any], around: Around) -> Watcher:
    """The watcher that a job's `watch` describes. Raises `WatchError` for an unknown kind."""
    module, _, name = kind_of(settings).place.partition(":")
    made: Watcher = getattr(import_module(module), name).of(settings, around)
    return made


def labels_of(settings: Mapping[str, Any]) -> Labels:
    """The labels of every item that this watcher brings. The owner may trust his own files, and
    say that a place others write to is private.
    """
    labels = kind_of(settings).labels
    if settings.get("private") is True:
        labels |= {Label.PRIVATE}
    return OURS if settings.get("trusted") is True else labels


def kind_of(settings: Mapping[str, Any]) -> Kind:
    """The kind that these settings name."""
    kind = str(settings.get("kind"))
    if kind not in KINDS:
        raise WatchError(f"there is no watcher of kind {kind!r}; known: {', '.join(KINDS)}")
    return KINDS[kind]
