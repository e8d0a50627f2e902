"""What a job looks at before a model is asked: one section per kind of watcher, told by `kind`.

A new kind is a class here (or in a neighbour, such as one for accounts), a part of `AnyWatch`, and
a line in `watch.kinds`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twotier.config.values import FolderPath, Limit, Seconds
from twotier.config.watch_base import WatchBase
from twotier.config.watch_github import (
    GithubDiscussionsWatch,
    GithubIssuesWatch,
    GithubNotificationsWatch,
    GithubReleasesWatch,
)


class FilesWatch(WatchBase):
    """Files in a folder, as an inbox: what lies there at the first look is new too."""

    kind: Literal["files"] = Field(description="What to look at: files in a folder.")
    path: FolderPath = Field(description="The folder, relative to this file.")
    match: tuple[str, ...] = Field(
        ("*.txt", "*.md"), description="File names that count, as shell patterns."
    )
    settle_seconds: Seconds = Field(
        1.0, description="A file counts once it was not written to for this long."
    )
    trusted: bool = Field(
        False,
        description="true: you alone write these files, and nothing in them tries to give orders.",
    )


class CommandWatch(WatchBase):
    """What a program of your own prints: 0 with output is new, 0 without is quiet, 10 is skip."""

    kind: Literal["command"] = Field(description="What to look at: what a program prints.")
    argv: tuple[str, ...] = Field(
        min_length=1, description="The program and its words; there is no shell."
    )
    folder: str = Field(".", description="Where it runs, relative to this file.")
    json_lines: bool = Field(
        False,
        description="Each line is JSON with id, title, text, author, at and link; else a line is"
        " an item.",
    )
    timeout: Limit = Field(60.0, description="Longest time it may take; then it is ended.")


AnyWatch = Annotated[
    FilesWatch
    | CommandWatch
    | GithubDiscussionsWatch
    | GithubIssuesWatch
    | GithubNotificationsWatch
    | GithubReleasesWatch,
    Field(discriminator="kind"),
]
