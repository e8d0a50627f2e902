"""The settings of tools: what there is (`[tools]`), and which of it a job may use."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from twotier.config.alerts import ChannelTarget
from twotier.config.mcp import McpName, McpServerConfig
from twotier.config.section import Section, listed, raise_all
from twotier.config.values import FolderPath, HttpUrl, Limit, SecretPlace, Usd, host_name
from twotier.domain.secret import sounds_secret

# The names of `tools.kinds`, with what may stand after a colon; a test compares them.
ALONE = ("read_file", "list_files", "search_files", "files", "fetch", "search", "git", "delegate")
WITH_TARGET = ("write_file", "send", "api", "command", "mcp")
TARGET_NEEDED = ("api", "command", "mcp")
PLACE_IN_TEXT = re.compile(r"\{([^{}]*)\}")
OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
SECRET_HEADERS = ("authorization", "cookie")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$", max_length=64)]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


def home_place(value: str) -> str:
    """A host, or host:port, that need not be public; an IPv6 address in brackets."""
    host, colon, port = value.rpartition(":")
    if not colon or value.endswith("]") or (host.count(":") and not host.endswith("]")):
        host, port = value, ""
    if port and not (port.isdecimal() and 0 < int(port) <= 65_535):
        raise ValueError(f"{value!r} is no host or host:port")
    name = host_name(host)
    shown = f"[{name}]" if ":" in name else name
    return f"{shown}:{port}" if port else shown


def host_pattern(value: str) -> str:
    """A host, or `*.name` for all below a name."""
    return f"*.{host_name(value[2:])}" if value.startswith("*.") else host_name(value)


HomePlace = Annotated[str, AfterValidator(home_place)]
HostPattern = Annotated[str, AfterValidator(host_pattern)]


class SearchConfig(Section):
    """Where the tool `search` searches the web."""

    backend: Literal["searxng", "brave"] = Field(
        description="searxng (a server of your own) or brave (a key; paid by query)."
    )
    url: HttpUrl | None = Field(
        None, description="Address of your SearXNG, which must allow the format json."
    )
    key: SecretPlace | None = Field(None, description="Where your Brave Search key lies.")

    @model_validator(mode="after")
    def fits_together(self) -> SearchConfig:
        """Each backend has what it needs."""
        problems = []
        if self.backend == "searxng" and self.url is None:
            problems.append('searxng needs url = "http://..."')
        if self.backend == "brave" and self.key is None:
            problems.append('brave needs key: where it lies, such as "env:BRAVE_KEY"')
        return raise_all(self, problems)


class ApiConfig(Section):
    """An HTTP API that jobs may ask, at addresses below its own."""

    url: HttpUrl = Field(description="Its address; a path is put behind it.")
    methods: tuple[Method, ...] = Field(
        ("GET",),
        min_length=1,
        description="What may be done: GET reads; POST, PUT, PATCH and DELETE need your yes.",
    )
    description: str = Field("", description="What the model is told of it, in one sentence.")
    headers: dict[HeaderName, str] = Field(
        default_factory=dict, description="Headers of each request; {name} stands for a secret."
    )
    secrets: dict[Name, SecretPlace] = Field(
        default_factory=dict, description="Its secrets by name, each by its place."
    )

    @model_validator(mode="after")
    def fits_together(self) -> ApiConfig:
        """Secrets are named, and no header is one."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each. A header's value is never repeated."""
        for header, value in self.headers.items():
            found = PLACE_IN_TEXT.findall(value)
            for name in found:
                if name not in self.secrets:
                    yield f"headers.{header} names {{{name}}}; secrets has: {listed(self.secrets)}"
            sounds = header.lower() in SECRET_HEADERS or sounds_secret(header)
            if sounds and not found:
                yield f'headers.{header} holds a secret: name it in secrets and write "{{name}}"'
            if header.lower() in OURS:
                yield f"headers.{header} is twotier's own"
            if not value.isprintable():
                yield f"headers.{header} holds no control characters"


class SendConfig(Section):
    """A destination of the tool `send`."""

    to: ChannelTarget = Field(
        description="Where it leads: ntfy:TOPIC, webhook:URL, mail:ADDRESS, desktop or apprise:URL,"
        " or where that lies, such as webhook:file:hook.url."
    )
    description: str = Field("", description="What the model is told of it, in a few words.")


class CommandConfig(Section):
    """A program that jobs may run. There is no shell."""

    argv: tuple[str, ...] = Field(
        min_length=1, description="The program and its words; the model fills {name} in them."
    )
    description: str = Field("", description="What the model is told of it, in one sentence.")
    changes: bool = Field(
        True, description="false: you know that it changes nothing, so it needs no yes of yours."
    )
    network: bool = Field(False, description="Whether it may reach other machines.")
    sandbox: Literal["auto", "required", "off"] = Field(
        "auto",
        description="Whether it runs in bubblewrap or macOS's sandbox: auto (where there is one),"
        " required or off. Without one, network = false is only a promise of the program.",
    )
    timeout: Limit = Field(60.0, description="Longest time it may take; then it is ended.")
    output_bytes_max: int = Field(
        200_000, ge=100, description="Most bytes that are taken of what it prints."
    )


class ToolsConfig(Section):
    """What jobs may use beside a model."""

    private_ok: tuple[HomePlace, ...] = Field(
        (),
        description="Hosts, or host:port, on this machine or in your own network that tools and"
        " watchers may ask; public addresses need no entry.",
    )
    file_bytes_max: int = Field(
        1_000_000, ge=1_000, description="Most bytes of one file that are read or written."
    )
    page_bytes_max: int = Field(
        5_000_000, ge=1_000, description="Largest page that is fetched, unpacked."
    )
    timeout: Limit = Field(30.0, description="Longest time a page, a search or git may take.")
    search: SearchConfig | None = Field(None, description="Where the web is searched.")
    api: dict[Name, ApiConfig] = Field(
        default_factory=dict, description="HTTP APIs by name; a job names api:NAME in its tools."
    )
    send: dict[Name, SendConfig] = Field(
        default_factory=dict, description="Destinations by name; a job names send:NAME."
    )
    command: dict[Name, CommandConfig] = Field(
        default_factory=dict, description="Programs by name; a job names command:NAME."
    )
    mcp: dict[McpName, McpServerConfig] = Field(
        default_factory=dict,
        description="MCP servers by name; a job names mcp:SERVER or mcp:SERVER.TOOL in its tools.",
    )


class ToolUseConfig(Section):
    """Which tools a job has, and how far they reach."""

    tools: tuple[str, ...] = Field(
        (),
        description="Tools its model may call: files (read, list, search), write_file:PATTERN,"
        " fetch, search, git, send:NAME, api:NAME, command:NAME, mcp:SERVER.",
    )
    root: FolderPath | None = Field(
        None,
        description="The one folder of its files, relative to this file; default: jobs-files/NAME.",
    )
    hosts: tuple[HostPattern, ...] = Field(
        (),
        description="Hosts, or *.name, it may fetch from once it has read what is private.",
    )
    tools_usd: Usd = Field(Decimal(0), description="Most its tools may cost in one run, in USD.")


def tool_problems(
    jobs: Sequence[ToolUseConfig], tools: ToolsConfig, *, mail: bool
) -> Iterator[str]:
    """Tools that jobs name and that there are not, one sentence each. `mail`: there is a server."""
    for number, job in enumerate(jobs):
        for name in job.tools:
            if problem := name_problem(name) or target_problem(name, tools):
                yield f"jobs.{number}.tools: {problem}"
    for name, one in tools.send.items():
        if one.to.startswith("mail:") and not mail:
            yield f"tools.send.{name}.to: mail needs a server; set host and sender in [smtp]"


def target_problem(name: str, tools: ToolsConfig) -> str:
    """What a good name needs and is not there; empty if nothing is missing."""
    kind, _, target = name.partition(":")
    sections: dict[str, Mapping[str, object]] = {
        "api": tools.api,
        "send": tools.send,
        "command": tools.command,
        "mcp": tools.mcp,
    }
    there = sections.get(kind, {})
    wanted, _, single = target.partition(".") if kind == "mcp" else (target, "", "")
    if kind in sections and target and wanted not in there:
        return f"no [tools.{kind}.{wanted}]{near(wanted, there)}"
    if single and single not in tools.mcp[wanted].tools:
        return f"{single} is not in tools of [tools.mcp.{wanted}]"
    if kind == "send" and not there:
        return "send needs a destination, [tools.send.NAME]"
    if kind == "search" and tools.search is None:
        return "search needs [tools.search] with its backend"
    return ""


def name_problem(name: str) -> str:
    """What is wrong with the name of a tool; empty if nothing is."""
    kind, colon, target = name.partition(":")
    if kind not in (*ALONE, *WITH_TARGET):
        return f"there is no tool {kind!r}{near(kind, (*ALONE, *WITH_TARGET))}"
    if colon and kind in ALONE:
        return f"{kind} takes nothing after a colon"
    if (colon and not target) or (not colon and kind in TARGET_NEEDED):
        return f"{kind} needs a name: {kind}:NAME"
    return ""


def near(name: str, known: Iterable[str]) -> str:
    """The nearest name that would be right, or all there are."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else f"; there are: {listed(known)}"
