"""What tools are made of: plain values from the owner's configuration, secrets already in place.

Nothing here opens, asks or imports anything, so that a worker whose jobs use no tools loads none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from twotier.domain.fee import Fees
from twotier.errors import ToolError
from twotier.notify.base import Channel
from twotier.tools.folder import Folder
from twotier.tools.web import Web

# Looked up when it is first used, so that one that is missing fails a call and not the job.
# Raises `ToolError` where it is missing.
Secret = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of one file, page or answer is read, in bytes, and how long it may take."""

    file_bytes_max: int = 1_000_000
    page_bytes_max: int = 5_000_000
    seconds_max: float = 30.0


def nothing() -> str:
    """No secret at all."""
    return ""


@dataclass(frozen=True, slots=True)
class SearchAt:
    """Where the web is searched: `searxng` at an address, or `brave` with a key and a price."""

    backend: str
    url: str
    key: Secret = nothing
    price_microusd: int = 0


@dataclass(frozen=True, slots=True)
class Api:
    """An HTTP API of the owner's. In `headers` a secret's name in braces stands for it."""

    name: str
    url: str
    methods: tuple[str, ...] = ("GET",)
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Destination:
    """A way out that the owner declared. `repeatable`: a message sent twice arrives once."""

    name: str
    channel: Callable[[], Channel]
    target: Secret
    description: str = ""
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A program that the owner allows. `sandbox` is `auto`, `required` or `off`."""

    name: str
    argv: tuple[str, ...]
    description: str
    seconds_max: float
    changes: bool
    network: bool
    sandbox: str
    output_bytes_max: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tool that a job names, and what it names behind the colon, each time it does."""

    name: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """All that the tools of one job are made of. `names` are the tools it has.

    `root` is the folder of its files; `closed` stays closed although it may lie in it. `hosts` are
    those the job may ask after private text. `fees` books what is paid for; without it nothing is.
    """

    job: str
    web: Web
    root: Path
    closed: tuple[Path, ...] = ()
    names: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    sizes: Sizes = field(default_factory=Sizes)
    search: SearchAt | None = None
    apis: Mapping[str, Api] = field(default_factory=dict)
    sends: Mapping[str, Destination] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)
    fees: Fees | None = None

    def folder(self) -> Folder:
        """The job's files."""
        return Folder(self.root, self.closed)

    def search_at(self) -> SearchAt:
        """Where to search. Raises `ToolError` where the owner said nothing."""
        if self.search is None:
            raise ToolError("there is no place to search; set backend and url in [tools.search]")
        return self.search
