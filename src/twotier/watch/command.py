"""Watches what a program of the owner's prints.

The contract is its exit code: 0 with output is something new, 0 without is quiet, 10 is "I did not
look, and that is in order", anything else is could not look. It is started from its words, never by
a shell, with a bare environment; who takes too long is ended (see `child`).

A line that is printed again and again is one item; one that was gone and is back is another. A JSON
line with an `id` is one item as long as it says the same. So a program may print all it knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.domain.clock import Clock
from twotier.domain.job import Item
from twotier.errors import NOT_READABLE, WatchError
from twotier.watch.base import Around, Look
from twotier.watch.child import Limits, run
from twotier.watch.cut import cut, first_line, mark, one_line

SKIP_CODE = 10
LINES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class CommandWatcher:
    """A program, where it runs, and how its output is read."""

    argv: tuple[str, ...]
    folder: Path
    json_lines: bool
    timeout_seconds: float
    item_bytes_max: int
    clock: Clock

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> CommandWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            argv=tuple(str(word) for word in settings["argv"]),
            folder=around.home / Path(str(settings["folder"])).expanduser(),
            json_lines=bool(settings["json_lines"]),
            timeout_seconds=float(settings["timeout"]),
            item_bytes_max=int(settings["item_bytes_max"]),
            clock=around.clock,
        )

    @property
    def place(self) -> str:
        """The program with its words; another one has another baseline."""
        return f"command:{json.dumps(self.argv)}"

    async def look(self, cursor: Any) -> Look:
        """Run it once. Raises `WatchError` when it could not look."""
        output = await self._printed()
        if output is None:
            return Look((), cursor)
        seen = cursor if isinstance(cursor, dict) else {}
        now = self.clock.now().isoformat()
        printed = {key: (seen.get(key, now), item) for key, item in self._items(output)}
        # A plain line's id holds the time it came up, so that it is new when it is back.
        found = [
            Item(**(fields | {"id": fields["id"] or mark(key, since)}))
            for key, (since, fields) in printed.items()
            if key not in seen
        ]
        marks = {key: since for key, (since, _) in printed.items()}
        return Look(() if cursor is None else tuple(found), marks)

    def _items(self, output: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What was printed, each with the key it is known by."""
        lines = [line for line in output.splitlines() if line.strip()]
        if len(lines) > LINES_MAX:
            raise WatchError(f"{self.argv[0]} printed {len(lines)} lines; {LINES_MAX} are taken")
        for number, line in enumerate(lines, 1):
            fields = self._of_json(line, number) if self.json_lines else {"text": line, "id": ""}
            text, bytes_cut = cut(fields["text"], bytes_max=self.item_bytes_max)
            key = fields["id"] or mark(line)
            title = fields.get("title") or first_line(fields["text"])
            shape = {"title": title, "text": text, "bytes_cut": bytes_cut, "source": self.argv[0]}
            yield key, fields | shape

    def _of_json(self, line: str, number: int) -> dict[str, Any]:
        try:
            told = json.loads(line)
        except NOT_READABLE as exc:
            raise WatchError(f"line {number} of {self.argv[0]} is not JSON: {exc}") from exc
        if not isinstance(told, dict) or not isinstance(told.get("text"), str):
            raise WatchError(f'line {number} of {self.argv[0]} is no object with a "text"')
        known = {name: str(told.get(name) or "") for name in ("title", "author", "at", "link")}
        known = {name: one_line(value) for name, value in known.items()}
        identity = str(told.get("id") or "")
        return known | {"text": told["text"], "id": identity and mark(identity, told["text"])}

    async def _printed(self) -> str | None:
        """Its output, None where it said that it did not look."""
        ended = await run(self.argv, Limits(self.timeout_seconds), folder=self.folder)
        if ended.code == SKIP_CODE:
            return None
        if ended.code != 0:
            said = ended.said or "it said nothing"
            raise WatchError(f"{self.argv[0]} ended with {ended.code}: {said}")
        return ended.output
