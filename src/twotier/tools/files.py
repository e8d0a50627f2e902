"""Files of a job: read, list, search, write, in its one folder.

What is read is the owner's, so it is private. Where the job may also write there, an earlier run
may have put down what a stranger told it, so it is untrusted too. A file is written whole; the job
says by patterns which ones may be written without asking.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from twotier.domain.label import Label, Labels
from twotier.errors import ToolError
from twotier.tools.base import Call, Result, Tool, ToolSpec
from twotier.tools.folder import Entry, Folder, parts_of
from twotier.tools.settings import Bench, Wanted

LINES_MAX = 400  # of a file in one call, unless the model asks for fewer
LISTED_MAX = 300
WALKED_MAX = 20_000
MATCHES_MAX = 60
MATCH_CHARACTERS_MAX = 200
SEARCHED_BYTES_MAX = 50_000_000
BINARY_BYTES = 8_192

READS: Labels = frozenset({Label.PRIVATE})
WRITES: Labels = frozenset({Label.PRIVATE, Label.CHANGES})
PATH = {"type": "string", "description": "from the job's folder, such as notes/today.md"}


def make(wanted: Wanted, bench: Bench) -> Sequence[Tool]:
    """One of the tools of files. What stands behind the colon are patterns that may be written."""
    disk = Disk(bench.folder(), bench.sizes.file_bytes_max)
    if wanted.name == "write_file":
        return [WriteFile(disk, wanted.targets)]
    return [Reader(NAMES[wanted.name], disk, labels_of(bench))]


def labels_of(bench: Bench) -> Labels:
    """What the job's files bring along."""
    return READS | {Label.UNTRUSTED} if "write_file" in bench.names else READS


async def whole_text(bench: Bench, path: str) -> str:
    """A file as the job's own tool reads it, all of it. Raises `ToolError`."""
    disk = Disk(bench.folder(), bench.sizes.file_bytes_max)

    def read() -> str:
        with disk.folder.file(path) as found:
            return text_in(found, disk.bytes_max, path=path)

    return await asyncio.to_thread(read)


@dataclass(frozen=True, slots=True)
class Disk:
    """The job's folder, and how much of one file is read or written."""

    folder: Folder
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A tool that reads: what it is called, what it takes, what it does."""

    name: str
    description: str
    properties: Mapping[str, Any]
    required: tuple[str, ...]
    do: Callable[[Disk, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads in the job's folder, in a thread: disks can be slow."""

    reading: Reading
    disk: Disk
    labels: Labels

    @property
    def spec(self) -> ToolSpec:
        """What it takes."""
        parameters = schema(self.reading.properties, self.reading.required)
        return ToolSpec(
            self.reading.name, self.reading.description, parameters, self.labels, looks=True
        )

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """The same for every call."""
        del arguments
        return self.labels

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """What is there. Raises `ToolError`."""
        del call
        text = await asyncio.to_thread(self.reading.do, self.disk, arguments)
        return Result(text, self.labels)


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Writes a text file in the job's folder. `targets` are what the job declares."""

    disk: Disk
    targets: tuple[str, ...]

    @property
    def spec(self) -> ToolSpec:
        """What it takes."""
        which = f" Files: {', '.join(self.targets)}." if self.targets else ""
        return ToolSpec(
            "write_file",
            f"Write a text file whole; one that is there is replaced.{which}",
            schema({"path": PATH, "text": {"type": "string"}}, ("path", "text")),
            WRITES,
        )

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """It changes what the job does not declare; what it declares is the owner's word."""
        try:
            path = "/".join(parts_of(str(arguments.get("path", ""))))
        except ToolError:
            return WRITES
        declared = any(matches(path, pattern) for pattern in self.targets)
        return WRITES - {Label.CHANGES} if declared else WRITES

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """Write it. Raises `ToolError`."""
        del call
        path, content = str(arguments["path"]), str(arguments["text"]).encode("utf-8", "replace")
        if len(content) > self.disk.bytes_max:
            raise ToolError(f"the text has {len(content):,} bytes; {self.disk.bytes_max:,} is most")
        was_there = await asyncio.to_thread(self.disk.folder.replace, path, content)
        return Result(f"{'replaced' if was_there else 'wrote'} {path}, {len(content):,} bytes")


def read_file(disk: Disk, arguments: Mapping[str, Any]) -> str:
    """Lines of a text file, with what is left out said at the end."""
    path = str(arguments["path"])
    start, count = int(arguments.get("start", 1)), int(arguments.get("lines", LINES_MAX))
    if start < 1 or count < 1:
        raise ToolError("start and lines count from 1")
    with disk.folder.file(path) as found:
        size = os.fstat(found).st_size
        text = text_in(found, disk.bytes_max, path=path)
    lines = text.splitlines()
    shown = lines[start - 1 : start - 1 + count]
    notes = []
    if len(shown) < len(lines):
        last = start + len(shown) - 1
        notes.append(f"lines {start} to {last} of {len(lines)}" if shown else f"{len(lines)} lines")
    if size > disk.bytes_max:
        notes.append(f"only the first {disk.bytes_max:,} of {size:,} bytes are read")
    return (
        "\n".join([*shown, *([f"[{'; '.join(notes)}]"] if notes else [])]) or "[the file is empty]"
    )


def list_files(disk: Disk, arguments: Mapping[str, Any]) -> str:
    """The names in a folder, with sizes."""
    pattern, deep = str(arguments.get("match", "*")), bool(arguments.get("deep", False))
    lines: list[str] = []
    more = 0
    for one in walked(disk.folder, str(arguments.get("path", "")), deep=deep):
        if one.is_folder and (deep or pattern != "*"):
            continue
        if not fnmatchcase(one.path.rpartition("/")[2], pattern):
            continue
        if len(lines) < LISTED_MAX:
            lines.append(f"{one.path}/" if one.is_folder else f"{one.path}  {one.bytes:,} bytes")
        else:
            more += 1
    lines += [f"[{more} more; name a folder or a pattern]"] if more else []
    return "\n".join(lines) or "[nothing there]"


def search_files(disk: Disk, arguments: Mapping[str, Any]) -> str:
    """Lines that hold a text, in any case. Plain text: a pattern could take for ever."""
    wanted, pattern = str(arguments["text"]).casefold(), str(arguments.get("match", "*"))
    if not wanted.strip():
        raise ToolError("text to search for is needed")
    found: list[str] = []
    read_bytes = 0
    for one in walked(disk.folder, str(arguments.get("path", "")), deep=True):
        if one.is_folder or not fnmatchcase(one.path.rpartition("/")[2], pattern):
            continue
        if one.bytes > disk.bytes_max:
            continue
        read_bytes += one.bytes
        if read_bytes > SEARCHED_BYTES_MAX:
            return "\n".join([*found, "[too much to search; name a folder or a pattern]"])
        found += lines_with(disk, one, wanted=wanted)
        if len(found) >= MATCHES_MAX:
            return "\n".join([*found[:MATCHES_MAX], "[more; say it more exactly]"])
    return "\n".join(found) or "[not found]"


def lines_with(disk: Disk, one: Entry, *, wanted: str) -> list[str]:
    """Where a file holds the text; a file that cannot be read holds nothing."""
    try:
        with disk.folder.file(one.path) as found:
            text = text_in(found, disk.bytes_max, path=one.path)
    except ToolError:
        return []
    return [
        f"{one.path}:{number}: {line.strip()[:MATCH_CHARACTERS_MAX]}"
        for number, line in enumerate(text.splitlines(), 1)
        if wanted in line.casefold()
    ][:MATCHES_MAX]


def walked(folder: Folder, path: str, *, deep: bool) -> Iterator[Entry]:
    """What lies in a folder, as far as anybody would look."""
    for number, one in enumerate(folder.entries(path, deep=deep)):
        if number >= WALKED_MAX:
            return
        yield one


def text_in(found: int, bytes_max: int, *, path: str) -> str:
    """The text of an open file. Raises `ToolError` where it is none."""
    with os.fdopen(os.dup(found), "rb") as file:
        content = file.read(bytes_max)
    if b"\0" in content[:BINARY_BYTES]:
        raise ToolError(f"{path} is not a text file")
    return content.decode("utf-8", errors="replace")


def matches(path: str, pattern: str) -> bool:
    """Whether a path is meant by a pattern; `*` stays within one folder."""
    names, patterns = path.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


def schema(properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """The parameters of a tool."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


MATCH = {"type": "string", "description": "names, such as *.md"}
NAMES = {
    one.name: one
    for one in (
        Reading(
            "read_file",
            f"Read a text file of the job, {LINES_MAX} lines at a time.",
            {"path": PATH, "start": {"type": "integer"}, "lines": {"type": "integer"}},
            ("path",),
            read_file,
        ),
        Reading(
            "list_files",
            "List the job's files.",
            {"path": PATH, "match": MATCH, "deep": {"type": "boolean"}},
            (),
            list_files,
        ),
        Reading(
            "search_files",
            "Find lines that hold a text in the job's files.",
            {"text": {"type": "string"}, "path": PATH, "match": MATCH},
            ("text",),
            search_files,
        ),
    )
}
