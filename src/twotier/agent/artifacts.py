"""Long results of tools: a prompt gets the beginning, a file of the run keeps the whole.

The file is for its owner alone. The model reads on with `read_artifact`, a tool that is shown only
once there is one.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.domain.label import NO_LABELS, Labels
from twotier.errors import ToolError
from twotier.tools.base import RESULT_CHARACTERS_MAX, Call, Result, ToolSpec

NAME = re.compile(r"[a-z0-9-]{1,80}\.txt")
READ_ARTIFACT = "read_artifact"
SPEC = ToolSpec(
    name=READ_ARTIFACT,
    description="Read on in a long result that was cut.",
    parameters={
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "offset": {"type": "integer", "minimum": 0, "description": "first character"},
        },
        "required": ["name"],
        "additionalProperties": False,
    },
    labels=NO_LABELS,  # what it reads has tainted the run already
)


class Artifacts:
    """The folder of one run. It is made when something is kept, and not before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, folder: str) -> Artifacts:
        """Those of a run's folder, named as a turn names it."""
        return cls(Path(folder))

    @property
    def spec(self) -> ToolSpec:
        """As a tool."""
        return SPEC

    def needs(self, arguments: Mapping[str, Any]) -> Labels:  # noqa: ARG002 - all are alike
        """None: it is the run's own."""
        return NO_LABELS

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:  # noqa: ARG002 - ours
        """A piece of a kept result. Raises `ToolError`."""
        name, offset = str(arguments.get("name", "")), int(arguments.get("offset", 0))
        if not NAME.fullmatch(name):
            raise ToolError(f"{name!r} is not the name of a kept result")
        text = await asyncio.to_thread(self._read, name)
        return Result(shown(text, name, offset=offset))

    async def fit(self, text: str, name: str) -> str:
        """The text as the prompt gets it; what is too long is kept under `name` first."""
        if len(text) <= RESULT_CHARACTERS_MAX:
            return text
        await asyncio.to_thread(self._keep, text, name)
        return shown(text, name, offset=0)

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except OSError as exc:
            raise ToolError(f"there is no kept result {name}") from exc

    def _keep(self, text: str, name: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / name
        partial = path.with_suffix(".partial")
        with os.fdopen(
            os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb"
        ) as file:
            file.write(text.encode("utf-8", errors="replace"))
        partial.replace(path)


def artifact_name(tool: str, number: int) -> str:
    """The name of a long result: the same when the call is repeated."""
    return f"{number}-{re.sub(r'[^a-z0-9]+', '-', tool.lower())[:60].strip('-')}.txt"


def shown(text: str, name: str, *, offset: int) -> str:
    """A piece of a long text, and how to get at the rest."""
    piece = text[offset : offset + RESULT_CHARACTERS_MAX]
    left = len(text) - offset - len(piece)
    if left <= 0:
        return piece or "(the end)"
    following = offset + len(piece)
    return f"{piece}\n({left} more characters: {READ_ARTIFACT} name={name} offset={following})"
