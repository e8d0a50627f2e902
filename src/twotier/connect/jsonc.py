"""Changes a JSON text where a person would, and leaves every other byte of it as it is. Pure.

Reads what clients read: JSON, with comments, trailing commas, single quotes and bare keys too
(JSONC, JSON5). A path names members of objects from the outside in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from twotier.errors import ConfigError

Path: TypeAlias = Sequence[str]

_TOKEN = re.compile(
    r"""(?P<skip>[\s\ufeff]+|//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<mark>[{}\[\]:,])
    |(?P<word>[^\s{}\[\]:,"'/]+)""",
    re.DOTALL | re.VERBOSE,
)
_REMARK = re.compile(r"[ \t]*(?://[^\n]*|/\*[^\n]*?\*/)")
INDENT = "  "
DEPTH_MAX = 200


@dataclass(slots=True)
class Node:
    """A value and where it stands. `members` are those of an object, None for everything else."""

    begin: int
    end: int
    value: Any
    members: list[Member] | None = None


@dataclass(slots=True)
class Member:
    """A member of an object; `begin` is where its key does, `comma` where one follows it, or -1."""

    key: str
    begin: int
    node: Node
    comma: int = -1


@dataclass(slots=True)
class _Reader:
    """Reads one document, token by token."""

    text: str
    at: int = 0
    depth: int = 0
    token: tuple[str, str, int] = field(default=("", "", 0))

    def document(self) -> Node:
        """All of it."""
        self.next()
        node = self.value()
        if self.token[0] != "end":
            self.wrong()
        return node

    def next(self) -> None:
        """The next token that is neither space nor comment."""
        while found := _TOKEN.match(self.text, self.at):
            self.at = found.end()
            if found.lastgroup != "skip":
                self.token = (str(found.lastgroup), found.group(), found.start())
                return
        self.token = ("end" if self.at == len(self.text) else "wrong", "", self.at)

    def take(self, mark: str) -> bool:
        """Whether this mark stands here; then it is behind us."""
        if self.token[:2] != ("mark", mark):
            return False
        self.next()
        return True

    def wrong(self) -> NoReturn:
        """Raise: it is no JSON from here on."""
        line = self.text.count("\n", 0, self.token[2]) + 1
        raise ConfigError(f"it is no JSON in line {line}; mend it first")

    def value(self) -> Node:
        """Whatever begins here."""
        kind, word, begin = self.token
        if kind == "mark" and word in "{[":
            self.depth += 1
            if self.depth > DEPTH_MAX:
                self.wrong()
            node = self.object(begin) if word == "{" else self.array(begin)
            self.depth -= 1
            return node
        if kind not in ("string", "word"):
            self.wrong()
        self.next()
        value = plain(word) if kind == "word" else unquoted(word)
        return Node(begin, begin + len(word), value)

    def object(self, begin: int) -> Node:
        """From its brace to its other brace."""
        self.next()
        members: list[Member] = []
        while self.token[:2] != ("mark", "}"):
            kind, word, at = self.token
            if kind not in ("string", "word"):
                self.wrong()
            self.next()
            if not self.take(":"):
                self.wrong()
            key = word if kind == "word" else unquoted(word)
            members.append(Member(key, at, self.value()))
            members[-1].comma = self.comma("}")
        end = self.token[2] + 1
        self.next()
        return Node(begin, end, {one.key: one.node.value for one in members}, members)

    def array(self, begin: int) -> Node:
        """From its bracket to its other bracket."""
        self.next()
        values = []
        while self.token[:2] != ("mark", "]"):
            values.append(self.value().value)
            self.comma("]")
        end = self.token[2] + 1
        self.next()
        return Node(begin, end, values)

    def comma(self, closing: str) -> int:
        """Where the comma behind a value stands, -1 where the end comes instead."""
        at = self.token[2]
        if self.take(","):
            return at
        if self.token[:2] != ("mark", closing):
            self.wrong()
        return -1


def unquoted(word: str) -> str:
    """The text of a string."""
    inner = word[1:-1]
    if word[0] == "'":
        inner = inner.replace("\\'", "'").replace('"', '\\"')
    with suppress(ValueError):
        return str(json.loads(f'"{inner}"', strict=False))
    return inner  # an escape that only JSON5 knows


def plain(word: str) -> Any:
    """What stands without quotes: a number, true, false, null, or as it is."""
    with suppress(ValueError):
        return json.loads(word)
    return word


def read(text: str) -> Node:
    """The document; an empty text is an empty object. Raises `ConfigError`."""
    if not text.strip():
        return Node(0, len(text), {}, [])
    return _Reader(text).document()


def find(node: Node, path: Path) -> Member | None:
    """The member at a path; the last one counts where a key stands twice."""
    found: Member | None = None
    for key in path:
        named = [one for one in node.members or () if one.key == key]
        if not named:
            return None
        found = named[-1]
        node = found.node
    return found


def raw(text: str, path: Path) -> str | None:
    """The text of a value, None where there is none."""
    member = find(read(text), path)
    return None if member is None else text[member.node.begin : member.node.end]


def put(text: str, path: Path, *, value: Any) -> str:
    """With the value at the path; objects on the way are made. Raises `ConfigError`."""
    node, depth = read(text), 0
    if not text.strip():
        return written(nested(path, value), outer="", unit=INDENT) + "\n"
    while depth < len(path) and (member := find(node, path[depth : depth + 1])):
        node, depth = member.node, depth + 1
    if depth == len(path):
        return replaced(text, node, value=value)
    if node.members is None:
        where = ".".join(path[:depth]) or "the whole"
        raise ConfigError(f"{where} is no object, so {path[depth]} cannot be put into it")
    return inserted(text, node, key=path[depth], value=nested(path[depth + 1 :], value))


def put_raw(text: str, path: Path, *, value: str) -> str:
    """With a value's text as it once stood at a path that is there."""
    member = find(read(text), path)
    if member is None:
        return text
    return text[: member.node.begin] + value + text[member.node.end :]


def replaced(text: str, node: Node, *, value: Any) -> str:
    """With another value in the place of one; the same value changes nothing."""
    if node.value == value:
        return text
    new = written(value, outer=line_indent(text, node.begin), unit=unit_of(text))
    return text[: node.begin] + new + text[node.end :]


def inserted(text: str, node: Node, *, key: str, value: Any) -> str:
    """With one more member at the end of an object."""
    members, unit = node.members or [], unit_of(text)
    if not members:
        outer = line_indent(text, node.begin)
        inner = outer + unit
        inside = text[node.begin + 1 : node.end - 1].rstrip()
        new = f"{json.dumps(key)}: {written(value, outer=inner, unit=unit)}"
        return f"{text[: node.begin + 1]}{inside}\n{inner}{new}\n{outer}{text[node.end - 1 :]}"
    last = members[-1]
    if "\n" not in text[node.begin : members[0].begin]:
        new = f", {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        return text[: last.node.end] + new + text[last.node.end :]
    inner = line_indent(text, members[0].begin)
    trailing = last.comma >= 0
    behind = (last.comma if trailing else last.node.end - 1) + 1
    # A comment that stands behind the last member stays with it.
    remark = _REMARK.match(text, behind)
    place = remark.end() if remark else behind
    head = text[:behind] + ("" if trailing else ",") + text[behind:place]
    new = f"\n{inner}{json.dumps(key)}: {written(value, outer=inner, unit=unit)}"
    return head + new + ("," if trailing else "") + text[place:]


def drop(text: str, path: Path, *, down_to: int) -> str:
    """Without the member at the path, and without the objects that hold nothing afterwards; those
    of the first `down_to` keys stay.
    """
    for depth in range(len(path), down_to, -1):
        root = read(text)
        member = find(root, path[:depth])
        if member is None:
            return text
        if depth < len(path) and member.node.members:
            return text
        holder = find(root, path[: depth - 1]) if depth > 1 else None
        text = without(text, holder.node if holder else root, gone=member)
    return text


def without(text: str, node: Node, *, gone: Member) -> str:
    """Without one member of an object: its line, or its part of the line."""
    members = node.members or []
    place = next(index for index, one in enumerate(members) if one is gone)
    before = members[place - 1] if place else None
    begin = node.begin + 1 if before is None else max(before.comma + 1, before.node.end)
    if gone.comma >= 0:
        between, rest = text[begin : gone.begin], text[gone.comma + 1 :]
        return text[:begin] + between.rstrip() + (rest if between else rest.lstrip(" "))
    tail = text[gone.node.end :]
    if before is None:
        between = text[begin : gone.begin].rstrip()
        rest = tail.lstrip() if not between else tail
        return text[:begin] + between + rest
    # The last of several: the comma before it goes too.
    between = text[before.comma + 1 : gone.begin].rstrip()
    return text[: before.comma] + between + tail


def nested(path: Path, value: Any) -> Any:
    """The value inside of objects."""
    for key in reversed(path):
        value = {key: value}
    return value


def written(value: Any, *, outer: str, unit: str) -> str:
    """A value over several lines, as it stands in a line with this indentation."""
    indent = unit if unit.strip(" ") else len(unit)
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text.replace("\n", "\n" + outer)


def unit_of(text: str) -> str:
    """One step of indentation, as this text has it."""
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return found[1] if found else INDENT


def line_indent(text: str, at: int) -> str:
    """The white space in front of the line that holds this place."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
