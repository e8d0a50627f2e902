"""The settings of MCP servers, whose tools jobs may use: `[tools.mcp.NAME]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from twotier.config.paths import with_home
from twotier.config.section import Section, raise_all
from twotier.config.values import HttpUrl, Limit, SecretPlace
from twotier.domain.label import Label
from twotier.domain.urls import is_loopback
from twotier.errors import ConfigError

if TYPE_CHECKING:
    from twotier.tools.mcp_wire import ServerSpec

McpName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
McpTool = Annotated[str, StringConstraints(min_length=1, max_length=128)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$", max_length=64)]


class McpServerConfig(Section):
    """One MCP server: a program of yours that is started, or an address."""

    command: tuple[str, ...] = Field(
        (), description="Its program and arguments; it speaks MCP on stdin and stdout."
    )
    folder: str | None = Field(
        None, description="The folder it runs in, relative to this file; default: this file's."
    )
    env: tuple[EnvName, ...] = Field(
        (), description="Names of variables that it gets from the worker's environment."
    )
    secrets: dict[EnvName, SecretPlace] = Field(
        default_factory=dict,
        description="Variables of its environment with a secret, each by its place.",
    )
    url: HttpUrl | None = Field(
        None,
        description="Address of a server that runs already (streamable HTTP), in place of command:"
        " on this machine, or https.",
    )
    token: SecretPlace | None = Field(
        None, description="Where the token lies that the address wants as a bearer."
    )
    headers: dict[HeaderName, SecretPlace] = Field(
        default_factory=dict, description="Other headers with a secret, each by its place."
    )
    tools: tuple[McpTool, ...] = Field(
        (), description="Its tools that jobs may use, by its own names; none by default."
    )
    labels: dict[McpTool, tuple[Label, ...]] = Field(
        default_factory=dict,
        description="What a tool brings along: private, untrusted, sends, changes, costs. One"
        " without labels is held for the worst.",
    )
    describe: dict[McpTool, str] = Field(
        default_factory=dict, description="Your own description of a tool in place of the server's."
    )
    start: Limit = Field(30.0, description="How long it may take to start.")
    call: Limit = Field(60.0, description="How long one call may take.")
    idle: Limit = Field(600.0, description="It is ended after so long without a call.")
    calls_max: int = Field(4, ge=1, le=64, description="Most calls at once; the rest wait.")

    @model_validator(mode="after")
    def fits_together(self) -> McpServerConfig:
        """One way to reach it, and labels of tools that are allowed."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        if bool(self.command) == (self.url is not None):
            yield 'needs either command = ["program", "argument"] or url = "https://..."'
        if self.url and (self.secrets or self.env):
            yield "env and secrets are for a command; an address takes token and headers"
        if self.command and (self.token or self.headers):
            yield "token and headers are for an address; a command takes secrets"
        if self.url and not reachable(self.url):
            yield 'url must be on this machine ("http://127.0.0.1:PORT/mcp") or begin with https://'
        if twice := sorted(set(self.env) & set(self.secrets)):
            yield f"{twice[0]} is in env and in secrets; keep one"
        for field, named in (("labels", self.labels), ("describe", self.describe)):
            for one in sorted(set(named) - set(self.tools)):
                yield f"{field} names {one!r}, which is not in tools"


def reachable(url: str) -> bool:
    """Whether what is sent there can be read on the way by nobody."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def server_specs(
    servers: Mapping[str, McpServerConfig],
    *,
    home: Path,
    secret: Callable[[str], str],
    environment: Mapping[str, str],
) -> list[ServerSpec]:
    """The servers as the tools want them, secrets in their places.

    `secret` gives the secret of a place, or raises `ConfigError`: that is an error for who uses
    this server, and for nobody else.
    """
    from twotier.tools.mcp_wire import ServerSpec

    specs = []
    for name, config in servers.items():
        env = {key: environment[key] for key in config.env if key in environment}
        headers, problem = {}, ""
        try:
            env |= {key: secret(place) for key, place in config.secrets.items()}
            headers = {key: secret(place) for key, place in config.headers.items()}
            if config.token:
                headers["Authorization"] = f"Bearer {secret(config.token)}"
        except ConfigError as exc:
            problem = exc.message
        specs.append(
            ServerSpec(
                name=name,
                command=config.command,
                env=env,
                folder=home / with_home(config.folder or "."),
                url=config.url or "",
                headers=headers,
                tools=config.tools,
                labels={tool: frozenset(labels) for tool, labels in config.labels.items()},
                describe=config.describe,
                start_seconds=config.start,
                call_seconds=config.call,
                idle_seconds=config.idle,
                calls_max=config.calls_max,
                problem=problem,
            )
        )
    return specs
