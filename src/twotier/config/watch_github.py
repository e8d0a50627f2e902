"""The settings of watchers of GitHub: whose repository, with which token, and what of it counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from twotier.config.values import HttpUrl, SecretPlace
from twotier.config.watch_base import LooksBack

Repo = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$")]
API = "https://api.github.com"


class GithubWatch(LooksBack):
    """What all watchers of GitHub share."""

    token: SecretPlace = Field(
        "env:GITHUB_TOKEN",
        description="Where the token lies: env:NAME, file:PATH or keyring:SERVICE; docs/watchers.md"
        " says which scopes it needs.",
    )
    api: HttpUrl = Field(
        API,
        description="Address of the API; of an own GitHub Enterprise https://HOST/api/v3.",
    )


class RepoWatch(GithubWatch):
    """What watchers of a repository share."""

    repo: Repo = Field(description="The repository, as owner/name.")
    private: bool = Field(
        False,
        description="true: the repository is private, and what comes from it is held as private.",
    )


class GithubDiscussionsWatch(RepoWatch):
    """Discussions with their comments and replies, and so the comments of a page with Giscus."""

    kind: Literal["github-discussions"] = Field(
        description="What to look at: discussions on GitHub, or comments by Giscus."
    )
    category: str = Field(
        "", description="Slug of the one category that counts, for example announcements."
    )
    openings: bool = Field(
        True, description="Whether the text that opens a discussion counts, beside its comments."
    )
    own: bool = Field(False, description="Whether what the token's owner wrote counts too.")


class GithubIssuesWatch(RepoWatch):
    """Issues that are new or were edited, and the comments on them."""

    kind: Literal["github-issues"] = Field(description="What to look at: issues on GitHub.")
    issues: bool = Field(True, description="Whether issues count.")
    pulls: bool = Field(False, description="Whether pull requests count.")
    comments: bool = Field(True, description="Whether comments on either of them count.")
    skip_authors: tuple[str, ...] = Field(
        (), description="Names whose issues and comments do not count, for example your own."
    )


class GithubReleasesWatch(RepoWatch):
    """What a repository publishes as a release."""

    kind: Literal["github-releases"] = Field(description="What to look at: releases on GitHub.")
    prereleases: bool = Field(False, description="Whether those marked as not yet ready count.")


class GithubNotificationsWatch(GithubWatch):
    """The notifications of the token's owner; never marked as read."""

    kind: Literal["github-notifications"] = Field(
        description="What to look at: your notifications on GitHub."
    )
    participating: bool = Field(
        True, description="Only what you take part in; false adds all that you watch."
    )
    reasons: tuple[str, ...] = Field(
        (),
        description="Reasons that count, for example mention and review_requested; empty for all.",
    )
