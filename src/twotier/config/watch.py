"""What a job looks at before a model is asked: one section per kind of watcher, told by `kind`.

A new kind is a class here (or in a neighbour, such as one for accounts), a part of `AnyWatch`, and
a line in `watch.kinds`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twotier.config.values import FolderPath, HttpUrl, Limit, Seconds
from twotier.config.watch_base import LooksBack, WatchBase
from twotier.config.watch_data import GitWatch, HttpWatch, InboxWatch, McpWatch, PricesWatch
from twotier.config.watch_github import (
    GithubDiscussionsWatch,
    GithubIssuesWatch,
    GithubNotificationsWatch,
    GithubReleasesWatch,
)
from twotier.config.watch_mail import ImapWatch
from twotier.config.watch_x import XWatch


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


class FeedWatch(LooksBack):
    """A feed: RSS, Atom or JSON Feed. An entry that is edited is new again."""

    kind: Literal["feed"] = Field(description="What to look at: a feed.")
    url: HttpUrl = Field(description="The feed's address.")


class PageWatch(WatchBase):
    """A web page, or a part of it: the difference to the last look is what is new."""

    kind: Literal["page"] = Field(description="What to look at: a web page.")
    url: HttpUrl = Field(description="The page's address.")
    selector: str = Field(
        "", description="CSS selector of the part that counts; empty for the whole text."
    )


AnyWatch = Annotated[
    FilesWatch
    | CommandWatch
    | FeedWatch
    | PageWatch
    | HttpWatch
    | McpWatch
    | PricesWatch
    | GitWatch
    | InboxWatch
    | GithubDiscussionsWatch
    | GithubIssuesWatch
    | GithubNotificationsWatch
    | GithubReleasesWatch
    | ImapWatch
    | XWatch,
    Field(discriminator="kind"),
]
