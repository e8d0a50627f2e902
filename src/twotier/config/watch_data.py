"""Watchers of data: an HTTP API, an MCP tool, prices, a git repository, a webhook's inbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from twotier.config.section import raise_all
from twotier.config.values import HttpUrl, Limit, SecretPlace
from twotier.config.watch_base import LooksBack, WatchBase
from twotier.domain.json_path import parts_of

HEADER = re.compile(r"[A-Za-z0-9-]+: ?[\x20-\x7e]*\{secret\}[\x20-\x7e]*")
SYMBOL = "{symbol}"
REMOTE = re.compile(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+")
# Counted repeats of \w, which knows every alphabet, would cost 18 MB in each process.
BRANCH = r"^\w[\w./-]*$"
BRANCH_MAX = 201


def json_path(value: str) -> str:
    """A path that can be read."""
    parts_of(value)
    return value


def header(value: str) -> str:
    """A header with a place for the secret, such as `X-Api-Key: {secret}`."""
    if not HEADER.fullmatch(value):
        raise ValueError('must be a header such as "Authorization: Bearer {secret}"')
    return value


JsonPath = Annotated[str, AfterValidator(json_path)]
SecretHeader = Annotated[str, AfterValidator(header)]
Positive = Annotated[Decimal, Field(gt=0)]


class JsonList(LooksBack):
    """A list in JSON. Paths are such as data.items or list[0].name."""

    items: JsonPath = Field("", description="Path to the list; empty where the answer is the list.")
    id: JsonPath = Field(
        "id",
        description="Path in a part of the list to what it is known by; empty: by all it says.",
    )
    title: JsonPath = Field("title", description="Path to its title.")
    text: JsonPath = Field("", description="Path to its text; empty for the whole part as JSON.")
    author: JsonPath = Field("", description="Path to who made it.")
    at: JsonPath = Field("", description="Path to when it was made: ISO text, or a number.")
    link: JsonPath = Field("", description="Path to where a person can see it.")


class HttpWatch(JsonList):
    """A list in the JSON answer of an HTTP API. Paths are such as data.items or list[0].name."""

    kind: Literal["http"] = Field(description="What to look at: an HTTP API that answers JSON.")
    url: HttpUrl = Field(description="The API's address.")
    secret: SecretPlace | None = Field(
        None, description="Where the API's secret lies: env:NAME, file:PATH or keyring:SERVICE."
    )
    secret_header: SecretHeader = Field(
        "Authorization: Bearer {secret}", description="The header that takes the secret."
    )


class McpWatch(JsonList):
    """A list in what a tool of an MCP server says. Paths are such as data.items or list[0].name."""

    kind: Literal["mcp"] = Field(description="What to look at: what a tool of an MCP server says.")
    server: Annotated[str, Field(min_length=1)] = Field(
        description="The server, by its name in [tools.mcp]."
    )
    tool: Annotated[str, Field(min_length=1)] = Field(
        description="The tool, by its own name; it must be on the server's list."
    )
    arguments: dict[str, str | int | float | bool] = Field(
        {}, description="What the tool is called with."
    )


class PricesWatch(WatchBase):
    """Prices at a source of your own: told when they cross a line or have moved far enough."""

    kind: Literal["prices"] = Field(description="What to look at: prices.")
    url: HttpUrl = Field(description="The source's address; {symbol} in it is filled in.")
    symbols: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._:^=/-]{1,32}$")], ...] = Field(
        min_length=1, max_length=50, description="What to ask for, by the source's own names."
    )
    path: JsonPath = Field(
        description="Path to the price in the answer; {symbol} in it is filled in."
    )
    above: dict[str, Positive] = Field(
        {}, description="By symbol: told when its price reaches this."
    )
    below: dict[str, Positive] = Field(
        {}, description="By symbol: told when its price falls to this."
    )
    change_percent: Positive | None = Field(
        None, description="Told when a price has moved by this much since it was last told."
    )
    window: Limit | None = Field(
        None, description="The move is counted within this time instead, for example 1d."
    )
    hysteresis_percent: Annotated[Decimal, Field(ge=0, le=50)] = Field(
        Decimal(1),
        description="How far a price must go back behind a line before the line is told again.",
    )
    secret: SecretPlace | None = Field(
        None, description="Where the source's secret lies: env:NAME, file:PATH or keyring:SERVICE."
    )
    secret_header: SecretHeader = Field(
        "Authorization: Bearer {secret}", description="The header that takes the secret."
    )

    @model_validator(mode="after")
    def fits_together(self) -> PricesWatch:
        """Something to hear of, of symbols that are asked for, each with a place of its own."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        if not self.above and not self.below and self.change_percent is None:
            yield "needs above, below or change_percent, else it would never tell anything"
        if self.window and self.change_percent is None:
            yield "window needs change_percent"
        for symbol in sorted((set(self.above) | set(self.below)) - set(self.symbols)):
            yield f"{symbol!r} has a line and is not one of symbols"
        if len(self.symbols) > 1 and SYMBOL not in self.url + self.path:
            yield "several symbols need {symbol} in url or in path"


class GitWatch(LooksBack):
    """New commits on a branch, of a repository here or of a remote one."""

    kind: Literal["git"] = Field(description="What to look at: commits of a repository.")
    path: str | None = Field(None, description="Folder of the repository, relative to this file.")
    remote: str | None = Field(
        None, description="Or its remote address, such as https://host/name.git."
    )
    branch: Annotated[str, Field(pattern=BRANCH, max_length=BRANCH_MAX)] = Field(
        "main", description="The branch whose commits count."
    )

    @model_validator(mode="after")
    def fits_together(self) -> GitWatch:
        """One repository."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        if bool(self.path) == bool(self.remote):
            yield "needs either path, a folder here, or remote, an address"
        if self.remote and not REMOTE.fullmatch(self.remote):
            yield "remote must be an address such as https://host/name.git or git@host:name.git"


class InboxWatch(WatchBase):
    """What others post to the job's webhook waits here until a run takes it."""

    kind: Literal["inbox"] = Field(description="What to look at: what came by webhook.")
