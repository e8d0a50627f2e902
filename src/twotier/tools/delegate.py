"""`delegate`: a frontier model hands a piece of reading to the local tier, which costs nothing.

The local tier gets a task, files and web pages, no tools, and gives back a short answer, in a form
if one is asked for. A page is read by the job's own `fetch`, by its rules, and the model that
delegates never pays for it. Whatever the texts bring along comes back with the answer. It asks main
like everything else, under the same run, always `local-only`, so it has rows of its own in the
ledger.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twotier.domain.clock import Clock
from twotier.domain.label import NO_LABELS, Labels
from twotier.errors import ToolError
from twotier.tools.base import Call, Result, Tool, ToolSpec
from twotier.tools.reading import Ask, Limits, Reading, Told

KIND = "delegate"
NAME = "delegate"
CALLS_MAX = 20  # of this tool, by one run
FILES_MAX = 40
TASK_CHARACTERS_MAX = 4_000
RUNS_KEPT = 200

PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "task": {
            "type": "string",
            "description": "What to find out or write, complete in itself",
        },
        "files": {
            "type": "array",
            "items": {"type": "string"},
            "maxItems": FILES_MAX,
            "description": "What it should read",
        },
        "schema": {"type": "object", "description": "JSON schema of the answer"},
    },
    "required": ["task"],
    "additionalProperties": False,
}
DESCRIPTION = (
    "Have a small local model read files or texts and answer; free of charge. It knows only what"
    " you give it and has no tools."
)
PAGES = " Among the files may be web addresses: it is given the text of those pages."
ADDRESS = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Files:
    """How files are read: `read` gives the text of a path, with the rules of the job's own tools,
    or raises `ToolError`; `labels` are what they bring along.
    """

    read: Callable[[str], Awaitable[str]]
    labels: Labels


class Delegate:
    """The tool. `ask` puts one question to the local tier, for the run of the call; `pages` is the
    job's own tool that reads an address, None for none.
    """

    def __init__(
        self,
        ask: Callable[[Ask, Call], Awaitable[Told]],
        *,
        clock: Clock,
        files: Files | None = None,
        limits: Limits | None = None,
        window: Callable[[], Awaitable[int]] | None = None,
        pages: Tool | None = None,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._files = files
        self._limits = limits or Limits()
        self._window = window
        self._pages = pages
        self._calls: OrderedDict[str, int] = OrderedDict()

    @property
    def spec(self) -> ToolSpec:
        """What it takes. What is in the texts it reads comes along."""
        labels = self._files.labels if self._files else NO_LABELS
        if self._pages is None:
            return ToolSpec(NAME, DESCRIPTION, PARAMETERS, labels, looks=True)
        labels |= self._pages.spec.labels
        return ToolSpec(NAME, DESCRIPTION + PAGES, PARAMETERS, labels, looks=True)

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """Those of what it is to read; none for the task alone, which is the caller's own text."""
        labels = NO_LABELS
        for path in paths_of(arguments):
            labels |= self._needs_of(path)
        return labels

    def _needs_of(self, path: str) -> Labels:
        if path.startswith(ADDRESS) and self._pages is not None:
            return self._pages.needs({"url": path})
        return self._files.labels if self._files else NO_LABELS

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """Have it done. Raises `ToolError`, also where the local tier cannot be asked."""
        self._count(call.run)
        task = str(arguments["task"]).strip()
        if not task or len(task) > TASK_CHARACTERS_MAX:
            raise ToolError(f"the task must have 1 to {TASK_CHARACTERS_MAX:,} characters")
        paths = paths_of(arguments)
        if len(paths) > FILES_MAX:
            raise ToolError(f"at most {FILES_MAX} files at once")
        read = {path: await self._read(path, call) for path in dict.fromkeys(paths)}

        async def ask(asked: Ask) -> Told:
            return await self._ask(asked, call)

        reading = Reading(
            ask,
            await self._limits_of(call),
            key=f"delegate:{call.key}",
            now=self._clock.monotonic,
        )
        texts = {path: one.text for path, one in read.items()}
        text = await reading.answer(task, texts, schema=arguments.get("schema"))
        labels = NO_LABELS.union(*(one.labels for one in read.values()))
        return Result(text, labels, reading.cost_microusd)

    def _count(self, run: str) -> None:
        """One more call of a run. Raises `ToolError` past the most a run may make."""
        count = self._calls[run] = self._calls.pop(run, 0) + 1
        while len(self._calls) > RUNS_KEPT:
            self._calls.popitem(last=False)
        if count > CALLS_MAX:
            raise ToolError(f"delegate was called {CALLS_MAX} times; that is the most for one run")

    async def _read(self, path: str, call: Call) -> Result:
        """The text of a file or of a page, and what it brings along. Raises `ToolError`."""
        if path.startswith(ADDRESS):
            if self._pages is None:
                raise ToolError("this job reads no web pages (its tools lack fetch)")
            return await self._pages.call({"url": path}, call)
        if self._files is None:
            raise ToolError("this job may read no files; put the text into the task")
        return Result(await self._files.read(path), self._files.labels)

    async def _limits_of(self, call: Call) -> Limits:
        """The limits of this call: the run's own time, and the window the tier has now."""
        seconds = min(self._limits.seconds_max, call.deadline_seconds)
        window = await self._window() if self._window else self._limits.window_tokens
        return replace(self._limits, seconds_max=seconds, window_tokens=window)


def paths_of(arguments: Mapping[str, Any]) -> Sequence[str]:
    """What it is to read, as it was named."""
    return [str(one) for one in arguments.get("files") or ()]
