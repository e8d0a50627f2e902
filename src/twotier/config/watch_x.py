"""The settings of the watcher of X, where each post that is read costs money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from twotier.config.section import raise_all
from twotier.config.values import HttpUrl, SecretPlace
from twotier.config.watch_base import LooksBack

AccountNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]


class XWatch(LooksBack):
    """Posts on X. Each one read costs about $0.005; nothing is read that a budget refuses."""

    kind: Literal["x"] = Field(description="What to look at: posts on X.")
    query: str | None = Field(None, max_length=512, description="A search, as X writes it.")
    mentions_of: AccountNumber | None = Field(
        None, description="Number of the account whose mentions count, in place of query."
    )
    posts_of: AccountNumber | None = Field(
        None, description="Number of the account whose own posts count, in place of query."
    )
    token: SecretPlace = Field(
        description="Where the app's bearer token lies: env:NAME, file:PATH or keyring:SERVICE."
    )
    posts_max: int = Field(
        20, ge=10, le=500, description="Most posts that one look reads; more wait for the next."
    )
    posts_day_max: int = Field(
        100, ge=10, description="Most posts read a day (UTC); 100 are about $0.50."
    )
    api: HttpUrl = Field("https://api.x.com", description="Address of the API.")

    @model_validator(mode="after")
    def fits_together(self) -> XWatch:
        """One thing to look at."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        given = [one for one in (self.query, self.mentions_of, self.posts_of) if one]
        if len(given) != 1:
            yield "needs one of query, mentions_of and posts_of"
