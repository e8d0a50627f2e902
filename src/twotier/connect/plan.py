"""The nouns of `connect`: a client, what is known of us, and what would be written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from twotier.connect.edits import Edit

Wire: TypeAlias = Literal["messages", "responses", "chat", "mcp"]
# What stands in place of a key in what is only shown.
NO_KEY = "<the key; written by --write, shown by --show-key>"
LOCAL_WINDOW_TOKENS, FRONTIER_WINDOW_TOKENS = 32_768, 200_000  # where nobody says more
LOCAL_ANSWER_TOKENS, FRONTIER_ANSWER_TOKENS = 8_192, 32_000
# A client's small tasks hold whole pages: a title is made of the conversation.
SMALL_TASK_TOKENS = 65_536


@dataclass(frozen=True, slots=True)
class Home:
    """A person's home folder and environment, and which machine it is."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    mac: bool = False

    def place(self, *names: str, variable: str = "") -> Path:
        """A file or folder below home, or below the folder that a variable names."""
        named = self.env.get(variable, "") if variable else ""
        if named:
            return Path(named).joinpath(*names[1:])
        return self.folder.joinpath(*names)

    def config(self, *names: str) -> Path:
        """The same below `~/.config`, by the rule of XDG."""
        return self.place(".config", *names, variable="XDG_CONFIG_HOME")

    def program(self, name: str) -> str:
        """Where a program lies, empty where it is not on PATH."""
        return shutil.which(name, path=self.env.get("PATH", "")) or ""

    def shown(self, path: Path) -> str:
        """A path as people write it."""
        inside = path.is_relative_to(self.folder)
        return f"~/{path.relative_to(self.folder)}" if inside else str(path)


@dataclass(frozen=True, slots=True)
class Model:
    """A name that clients may ask for. `vendor_model` is the name the provider gives it, for a
    tier that has one.
    """

    name: str
    window_tokens: int
    local: bool
    vendor_model: str = ""

    @property
    def answer_tokens(self) -> int:
        """The longest answer a client should ask for."""
        most = LOCAL_ANSWER_TOKENS if self.local else FRONTIER_ANSWER_TOKENS
        return min(most, self.window_tokens // 4)


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of us. `key` is the client's key, or `NO_KEY`; `key_file` is where it lies;
    `program` is how twotier is started, with its configuration. `everything`: the client is to use
    us for all it does, and not only to know us.
    """

    url: str
    key: str = field(repr=False)
    key_file: Path
    models: tuple[Model, ...]
    model: str
    program: tuple[str, ...]
    home: Home
    everything: bool = False

    @property
    def chosen(self) -> Model:
        """The model to begin with."""
        return next(one for one in self.models if one.name == self.model)

    @property
    def small(self) -> Model | None:
        """The local tier, if a client's small tasks fit into it."""
        fits = (one for one in self.models if one.local and one.window_tokens >= SMALL_TASK_TOKENS)
        return next(fits, None)

    @property
    def openai_url(self) -> str:
        """The address for those that speak OpenAI's dialects."""
        return f"{self.url}/v1"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file. `secret`: a key lies in it, so that only its owner may read it."""

    path: Path
    edit: Edit
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written. `use` says how the client is started then; `notes` are for people;
    `keyed` says whether it needs a key of its own.
    """

    files: tuple[FileChange, ...]
    wire: Wire
    use: str
    notes: tuple[str, ...] = ()
    keyed: bool = True


@dataclass(frozen=True, slots=True)
class Client:
    """One program. `found` says where it is, empty where it is not there. `by_name`: it knows the
    names of its maker's models, so it is to ask the frontier by that, where there is one.
    """

    name: str
    title: str
    found: Callable[[Home], str]
    plan: Callable[[Given], Plan]
    by_name: bool = False


def first_of(home: Home, program: str, *folders: Path) -> str:
    """A program on PATH, else the first of its folders that is there."""
    if where := home.program(program):
        return where
    return next((home.shown(folder) for folder in folders if folder.exists()), "")
