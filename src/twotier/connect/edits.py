"""What `connect` does to one file: puts something of ours in, takes the same out again. Pure.

An edit is kept in the record of what was written, so that it can be taken out of a file that has
changed since: only what still is as it was put there, back to what stood there before. What
somebody has changed is left as it is, and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from twotier.connect import block, jsonc, toml_text
from twotier.errors import ConfigError

Left: TypeAlias = list[str]


class JsonEdit(msgspec.Struct, frozen=True, tag="json", forbid_unknown_fields=True):
    """Members of objects, each by its path from the outside in."""

    members: list[tuple[list[str], Any]]

    def put(self, text: str) -> str:
        """The text with ours in it. Raises `ConfigError` where it cannot be put there."""
        for path, value in self.members:
            text = jsonc.put(text, path, value=value)
        return text

    def take_out(self, text: str, before: str) -> tuple[str, Left]:
        """The text without ours, and what was left alone because somebody has changed it."""
        left: Left = []
        for path, value in reversed(self.members):
            member = jsonc.find(jsonc.read(text), path)
            if member is None:
                continue
            once = jsonc.raw(before, path)
            if member.node.value != value:
                left.append(".".join(path))
            elif once is None:
                text = jsonc.drop(text, path, down_to=depth_of(before, path))
            else:
                text = jsonc.put_raw(text, path, value=once)
        return text, left


def depth_of(text: str, path: Sequence[str]) -> int:
    """How many keys of a path there are."""
    root, depth = jsonc.read(text), 0
    while depth < len(path) and jsonc.find(root, path[: depth + 1]):
        depth += 1
    return depth


class TomlEdit(msgspec.Struct, frozen=True, tag="toml", forbid_unknown_fields=True):
    """Settings at the top, and whole tables whose names are ours."""

    top: dict[str, Any]
    tables: dict[str, dict[str, Any]]

    def put(self, text: str) -> str:
        """The text with ours in it. Raises `ConfigError` where it cannot be put there."""
        toml_text.read(text)
        for key, to in reversed(self.top.items()):
            text = toml_text.put_top(text, key, to=to)
        for name, settings in self.tables.items():
            text = toml_text.put_table(text, name, settings=settings)
        toml_text.read(text)  # a document that can be read before can be read after
        return text

    def take_out(self, text: str, before: str) -> tuple[str, Left]:
        """The text without ours, and what was left alone because somebody has changed it."""
        left: Left = []
        there = toml_text.read(text)
        for key, to in self.top.items():
            if key in there and there[key] != to:
                left.append(key)
            else:
                text = toml_text.put_line(text, key, line=toml_text.line_of(before, key))
        for name in self.tables:
            text = toml_text.without_table(text, name)
        return text, left


class BlockEdit(msgspec.Struct, frozen=True, tag="block", forbid_unknown_fields=True):
    """A marked block; among the items of the YAML list `under`, where one is named. `head` stands
    above it in a file that is new.
    """

    body: str
    under: str = ""
    first: bool = False
    head: str = ""

    def put(self, text: str) -> str:
        """The text with ours in it. Raises `ConfigError` where it cannot be put there."""
        return block.put(text or self.head, self.body, under=self.under, first=self.first)

    def take_out(self, text: str, before: str) -> tuple[str, Left]:
        """The text without ours. The marks say that it is: nothing in between is anybody else's."""
        del before
        return block.cut(text), []


class WholeEdit(msgspec.Struct, frozen=True, tag="whole", forbid_unknown_fields=True):
    """A file that is ours alone, or, with `replaces`, one that holds a single choice."""

    text: str
    replaces: bool = False

    def put(self, text: str) -> str:
        """All of it. Raises `ConfigError` where somebody else's file has its name."""
        if text.strip() and text != self.text and not self.replaces:
            raise ConfigError("there is a file of that name already, with something else in it")
        return self.text

    def take_out(self, text: str, before: str) -> tuple[str, Left]:
        """Changed by somebody, it is theirs."""
        del before
        return text, ["all of it"]


Edit: TypeAlias = JsonEdit | TomlEdit | BlockEdit | WholeEdit
