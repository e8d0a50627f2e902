"""Reads a git repository: status, log, diff, show; nothing is written, fetched or run.

A repository's own configuration can name programs for git to run: hooks, pagers, external diffs,
filters, signature checkers, monitors. So git gets none of the machine's configuration, every such
setting is overruled, and the filters and drivers that this repository names are read first and
switched off by their names. Closed names (keys, `.env`) stay closed in diffs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.domain.label import Label, Labels
from twotier.errors import ToolError
from twotier.tools.base import Call, Result, Tool, ToolSpec
from twotier.tools.children import Bounds, Ended, run
from twotier.tools.folder import CLOSED_NAMES, parts_of
from twotier.tools.settings import Bench, Wanted

LABELS: Labels = frozenset({Label.PRIVATE})
ACTIONS = ("status", "log", "diff", "show")
COMMITS_MAX = 100
COMMITS_USUAL = 20
OUTPUT_BYTES_MAX = 400_000
REVISION = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_./@^~{}+-]{0,199}")
PATHS_OF_PROGRAMS = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"
OFF = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.editor": "false",
    "core.askPass": "false",
    "core.sshCommand": "false",
    "core.gitProxy": "false",
    "core.alternateRefsCommand": "true",
    "core.attributesFile": "/dev/null",
    "core.untrackedCache": "false",
    "credential.helper": "",
    "diff.external": "",
    "interactive.diffFilter": "cat",
    "log.showSignature": "false",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "gpg.x509.program": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "diff.ignoreSubmodules": "all",
    "status.submoduleSummary": "false",
}
# Settings of drivers whose names are the repository's own.
DRIVERS = re.compile(
    r"(filter\..+\.(?:clean|smudge|process)|diff\..+\.(?:command|textconv)|merge\..+\.driver"
    r"|remote\..+\.(?:vcs|uploadpack|promisor|partialclonefilter)|gpg\..+\.program)",
    re.IGNORECASE | re.DOTALL,
)
REQUIRED = re.compile(r"(filter\..+)\.[^.]+", re.IGNORECASE | re.DOTALL)


def make(wanted: Wanted, bench: Bench) -> Sequence[Tool]:
    """The tool; it takes no targets."""
    del wanted
    return [Git(bench)]


@dataclass(frozen=True, slots=True)
class Git:
    """Reads the repository that the job's folder is."""

    bench: Bench

    @property
    def spec(self) -> ToolSpec:
        """What it takes."""
        text = {"type": "string"}
        parameters = {
            "type": "object",
            "properties": {
                "action": {"enum": list(ACTIONS)},
                "revision": {**text, "description": "such as main, HEAD~3 or a..b"},
                "path": text,
                "count": {"type": "integer"},
            },
            "required": ["action"],
            "additionalProperties": False,
        }
        return ToolSpec("git", "Read the job's git repository.", parameters, LABELS, looks=True)

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """The same for every call."""
        del arguments
        return LABELS

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """What git says. Raises `ToolError`."""
        seconds = min(self.bench.sizes.seconds_max, call.deadline_seconds)
        bounds = Bounds(seconds, output_bytes_max=OUTPUT_BYTES_MAX)
        words = words_of(arguments)
        top = await self._git(["rev-parse", "--show-toplevel"], bounds, settings=OFF)
        if Path(top.output.rstrip("\n")) != self.bench.root.resolve():
            raise ToolError("the job's folder is not the top of its repository; set root to that")
        named = await self._git(["config", "--list", "--name-only", "-z"], bounds, settings=OFF)
        settings = {**OFF, **switched_off(named.output)}
        ended = await self._git(words, bounds, settings=settings)
        text = ended.output.rstrip() or "[nothing]"
        if ended.bytes_cut:
            text += f"\n[{ended.bytes_cut:,} more bytes; name a path or fewer commits]"
        return Result(text, LABELS)

    async def _git(
        self, words: Sequence[str], bounds: Bounds, *, settings: Mapping[str, str]
    ) -> Ended:
        root = self.bench.root
        argv = ["git", "--no-pager", "--no-replace-objects", *words]
        given = environment(str(root.parent)) | as_variables(settings)
        ended = await run(argv, folder=root, environment=given, bounds=bounds)
        if ended.code:
            raise ToolError(complaint(ended))
        return ended


def as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings in the environment, where a name may hold anything and which overrule all files."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        found[f"GIT_CONFIG_KEY_{number}"] = name
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found


def environment(ceiling: str) -> dict[str, str]:
    """Nothing of ours, and nothing of the machine's; a repository further up is not this one."""
    return {
        "PATH": PATHS_OF_PROGRAMS,
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": ceiling,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_PAGER": "cat",
    }


def switched_off(names: str) -> dict[str, str]:
    """What overrules the drivers that a repository's configuration names."""
    found: dict[str, str] = {}
    for name in names.split("\0"):
        if not DRIVERS.fullmatch(name):
            continue
        found[name] = "false" if name.lower().endswith(".promisor") else ""
        if required := REQUIRED.fullmatch(name):
            found[f"{required.group(1)}.required"] = "false"
    return found


def words_of(arguments: Mapping[str, Any]) -> list[str]:
    """The words after `git` for a call. Raises `ToolError`."""
    action = str(arguments.get("action"))
    revision, path = str(arguments.get("revision") or ""), str(arguments.get("path") or "")
    if revision and not REVISION.fullmatch(revision):
        raise ToolError("a revision is a name, a hash or a range, such as main~3 or v1..v2")
    parts = parts_of(path)
    count = min(max(int(arguments.get("count") or COMMITS_USUAL), 1), COMMITS_MAX)
    plain = ["--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all"]
    if action == "status":
        words = ["status", "--porcelain", "--branch", "--ignore-submodules=all", "--no-renames"]
    elif action == "log":
        words = ["log", "--no-color", f"-n{count}", "--date=iso-strict", "--no-show-signature"]
        words += ["--format=%h %ad %an: %s"]
    elif action == "diff":
        words = ["diff", "--stat", "--patch", *plain]
    elif action == "show":
        words = ["show", "--stat", "--patch", "--format=medium", "--no-show-signature", *plain]
    else:
        raise ToolError(f"action is one of {', '.join(ACTIONS)}")
    words += [revision] if revision and action != "status" else []
    inside = f":(top,literal){'/'.join(parts)}" if parts else ":(top)"
    return [*words, "--", inside, *(f":(top,exclude,icase,glob)**/{name}" for name in CLOSED_NAMES)]


def complaint(ended: Ended) -> str:
    """Why git did not do it, without paths of the machine."""
    said = ended.complaint.splitlines()[0] if ended.complaint else f"it ended with {ended.code}"
    if "dubious ownership" in said:
        return "the repository belongs to another user; it must be twotier's own user's"
    if "not a git repository" in said:
        return "the job's folder is no git repository; set root to one"
    return f"git: {said[:300]}"
