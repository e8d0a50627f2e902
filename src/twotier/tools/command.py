"""Runs one of the programs that the owner allows, each a tool of its own; at first none.

The words are the owner's; the model fills named places in them, each staying one word, and none
that looks like an option where the owner did not write one. The program gets a bare environment,
runs in the job's folder, and where the system can do that it sees nothing else to write, no home
folder and, unless the owner says so, no network.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.domain.label import Label, Labels
from twotier.errors import ToolError
from twotier.tools.base import Call, Result, Tool, ToolSpec
from twotier.tools.children import Bounds, Ended, run
from twotier.tools.folder import closed_name
from twotier.tools.settings import Bench, Command, Wanted

READS: Labels = frozenset({Label.PRIVATE, Label.UNTRUSTED})
CHANGES: Labels = READS | {Label.CHANGES}
NETWORK: Labels = frozenset({Label.SENDS})
PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
VALUE_CHARACTERS_MAX = 2_000
PATHS_OF_PROGRAMS = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/etc")
SANDBOXES = {"linux": "bwrap", "darwin": "sandbox-exec"}


def make(wanted: Wanted, bench: Bench) -> Sequence[Tool]:
    """One tool for each program that the job names."""
    return [Program(bench, bench.commands[target]) for target in wanted.targets]


@dataclass(frozen=True, slots=True)
class Program:
    """One program."""

    bench: Bench
    command: Command

    @property
    def spec(self) -> ToolSpec:
        """What it takes: the named places in the owner's words."""
        names = places(self.command.argv)
        parameters = {
            "type": "object",
            "properties": {name: {"type": "string"} for name in names},
            "required": names,
            "additionalProperties": False,
        }
        return ToolSpec(
            f"run_{self.command.name.replace('-', '_')}",
            self.command.description or f"Run {self.command.name}.",
            parameters,
            self._labels(),
            repeatable=not self.command.changes,
        )

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """The same for every call: nobody knows what a program does."""
        del arguments
        return self._labels()

    def _labels(self) -> Labels:
        labels = CHANGES if self.command.changes else READS
        return labels | NETWORK if self.command.network else labels

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """What it prints, and its code where that is not 0. Raises `ToolError`."""
        ended = await self.ended(arguments, call.deadline_seconds)
        text = ended.output.rstrip()
        text += f"\n[{ended.bytes_cut:,} more bytes]" if ended.bytes_cut else ""
        if ended.code:
            text = f"[it ended with {ended.code}: {ended.complaint[:1_000]}]\n{text}"
        return Result(text.strip() or "[it printed nothing]", READS)

    async def ended(
        self, arguments: Mapping[str, Any], seconds: float, *, fed: bytes = b""
    ) -> Ended:
        """How it ended, `fed` its input. Raises `ToolError`."""
        words = filled(self.command.argv, arguments)
        program = shutil.which(words[0], path=PATHS_OF_PROGRAMS)
        if program is None:
            raise ToolError(f"{words[0]} is not on this machine")
        argv = self._sandboxed([program, *words[1:]])
        bounds = Bounds(min(self.command.seconds_max, seconds), self.command.output_bytes_max)
        root = self.bench.root
        root.mkdir(parents=True, exist_ok=True)
        return await run(argv, folder=root, environment=environment(), bounds=bounds, fed=fed)

    def _sandboxed(self, argv: Sequence[str]) -> Sequence[str]:
        """The words in the system's sandbox, where there is one and the owner did not refuse it."""
        if self.command.sandbox == "off":
            return argv
        name = SANDBOXES.get(sys.platform, "")
        found = shutil.which(name, path=PATHS_OF_PROGRAMS) if name else None
        if found is None:
            if self.command.sandbox == "required":
                raise ToolError(f"{self.command.name} needs a sandbox; install bubblewrap (bwrap)")
            return argv
        box = Box(self.bench.root, self.bench.closed, self.command.changes, self.command.network)
        return (
            in_bubblewrap(found, argv, box=box)
            if name == "bwrap"
            else in_seatbelt(found, argv, box=box)
        )


@dataclass(frozen=True, slots=True)
class Box:
    """What a program sees: the job's folder, whether it may write there, whether it may ask out."""

    root: Path
    closed: tuple[Path, ...]
    writes: bool
    network: bool


def in_bubblewrap(bwrap: str, argv: Sequence[str], *, box: Box) -> list[str]:
    """The words under bubblewrap: system folders to read, the job's folder, and nothing else."""
    words = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    words += ["--share-net"] if box.network else []
    for name, value in environment().items():
        words += ["--setenv", name, value]
    for folder in SYSTEM_FOLDERS:
        words += ["--ro-bind-try", folder, folder]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - its own
    bind = "--bind" if box.writes else "--ro-bind"
    words += [bind, str(box.root), str(box.root), "--chdir", str(box.root)]
    for closed in box.closed:
        if closed.is_relative_to(box.root) and closed.exists():
            words += ["--tmpfs" if closed.is_dir() else "--ro-bind", *hidden(closed)]
    return [*words, "--", *argv]


def hidden(closed: Path) -> tuple[str, ...]:
    """What lies over a closed place: an empty folder, or nothing that can be read."""
    return (str(closed),) if closed.is_dir() else ("/dev/null", str(closed))


def in_seatbelt(sandbox: str, argv: Sequence[str], *, box: Box) -> list[str]:
    """The words under macOS's sandbox-exec: of all homes the job's folder, no more writes."""
    rules = ["(version 1)", "(allow default)", "(deny file-write*)"]
    rules += ['(deny file-read* (subpath "/Users") (subpath "/private/var/root"))']
    rules += [f"(allow file-read* (subpath {quoted(box.root)}))"]
    rules += ['(allow file-write* (literal "/dev/null"))']
    rules += [f"(allow file-write* (subpath {quoted(box.root)}))"] if box.writes else []
    rules += [f"(deny file* (subpath {quoted(closed)}))" for closed in box.closed]
    rules += [] if box.network else ["(deny network*)"]
    return [sandbox, "-p", "".join(rules), *argv]


def quoted(path: Path) -> str:
    """A path as a text of the sandbox's language."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def environment() -> dict[str, str]:
    """A bare environment: no key, and no home whose settings somebody may have written."""
    return {"PATH": PATHS_OF_PROGRAMS, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


def places(argv: Sequence[str]) -> list[str]:
    """The named places in the owner's words, in order."""
    return list(dict.fromkeys(name for word in argv for name in PLACE.findall(word)))


def filled(argv: Sequence[str], arguments: Mapping[str, Any]) -> list[str]:
    """The words with the model's values in them. Raises `ToolError` for one that is not a value."""
    values = {name: str(arguments.get(name, "")) for name in places(argv)}
    for name, value in values.items():
        if not value or "\0" in value or len(value) > VALUE_CHARACTERS_MAX:
            raise ToolError(f"{name} has 1 to {VALUE_CHARACTERS_MAX:,} characters")
        if leads_out(value):
            raise ToolError(f"{name} must not lead out of the job's folder, nor to what is closed")
    words = [PLACE.sub(lambda found: values[found.group(1)], word) for word in argv]
    for written, word in zip(argv, words, strict=True):
        if word.startswith("-") and not written.startswith("-"):
            raise ToolError("a value must not begin with -, it would be an option")
    return words


def leads_out(value: str) -> bool:
    """Whether a value would be a path to elsewhere; not every machine has a sandbox against it."""
    parts = value.split("/")
    return value.startswith(("/", "~")) or ".." in parts or any(map(closed_name, parts))
