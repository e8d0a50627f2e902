"""The world of a run that is done again for a trial: its tools, its owner, its steps.

A call that the job's own run made is told what that run heard, so that both see the same. Another
one is made if it only looks, is free, and needs nobody's yes. All the rest is not done: the model
is told so and goes on. Nobody is asked for a yes, and no step is remembered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twotier.agent.artifacts import READ_ARTIFACT
from twotier.agent.course import digest
from twotier.agent.guard import TAINTING
from twotier.agent.hands import Priced
from twotier.agent.turn import Decision, Entry, Request
from twotier.domain.label import Label, Labels
from twotier.domain.steps import Json
from twotier.errors import ToolError
from twotier.jobs.effects import Deed, Deeds, leaves
from twotier.jobs.recorded import FAILED, Called, Recorded
from twotier.tools.base import RESULT_CHARACTERS_MAX, Call, Result, Tool, ToolSpec

NOT_DONE = "shadow run: not done; go on as if it were"
NOBODY = "shadow run: nobody is asked, and nothing of it is done"
URL = "url"
HEAD_LINES = 2  # of a page: its title and its address, which a redirect may have led to
# How a result ends that was too long for a prompt (`twotier.agent.artifacts.shown`).
CUT = re.compile(rf"\n\(\d+ more characters: {READ_ARTIFACT} name=([a-z0-9-]+\.txt) offset=\d+\)$")
GONE = "\n(its rest is not kept any more)"

Note = Callable[[Entry], Awaitable[None]]


@dataclass(slots=True)
class World:
    """What one piece of work meets. `artifacts` is the folder of the job's own run; `asked` are the
    calls that its owner would have been asked for.
    """

    recorded: Recorded
    artifacts: Path
    asked: set[str] = field(default_factory=set)

    async def heard(self, tool: Tool, arguments: Mapping[str, Any]) -> Result | None:
        """What the job's run heard of this call; None where it made none. Raises `ToolError` where
        it failed then.
        """
        found = self.recorded.next(tool.spec.name, arguments)
        if found is None:
            return None
        if not found.done:
            raise ToolError(found.text.removeprefix(FAILED))
        text = await asyncio.to_thread(self._whole, found.text)
        return Result(text, labels_of(tool, found))

    def _whole(self, text: str) -> str:
        """A long result as it was, from the file that was kept of it."""
        match = CUT.search(text)
        if match is None:
            return text
        try:
            return (self.artifacts / match[1]).read_text(encoding="utf-8")
        except OSError:
            room = RESULT_CHARACTERS_MAX - len(GONE)  # or it would be cut once more
            return text[: match.start()][:room] + GONE


def labels_of(tool: Tool, called: Called) -> Labels:
    """What a result taints at most: a transcript does not say it."""
    labels = tool.spec.labels | tool.needs(called.arguments)
    if URL in called.arguments:
        for line in called.text.splitlines()[:HEAD_LINES]:
            labels |= tool.needs({**called.arguments, URL: line})
    return labels & TAINTING


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A tool of a job in a trial."""

    tool: Tool
    world: World

    @property
    def spec(self) -> ToolSpec:
        """The tool's own."""
        return self.tool.spec

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """Those of the tool itself."""
        return self.tool.needs(arguments)

    def price_microusd(self, arguments: Mapping[str, Any]) -> int:
        """That of the tool itself."""
        return price_of(self.tool, arguments)

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """What was heard then, what is found now, or that it is not done. Raises `ToolError`."""
        heard = await self.world.heard(self.tool, arguments)
        if heard is not None:
            return heard
        asked = place_of(self.spec.name, arguments) in self.world.asked
        if asked or not free(self.tool, arguments):
            return Result(NOT_DONE)
        return await self.tool.call(arguments, call)


def price_of(tool: Tool, arguments: Mapping[str, Any]) -> int:
    """What a call costs, as far as that is known before."""
    return tool.price_microusd(arguments) if isinstance(tool, Priced) else 0


def free(tool: Tool, arguments: Mapping[str, Any]) -> bool:
    """Whether a call only looks, and costs nothing."""
    labels = tool.needs(arguments)
    costs = Label.COSTS in labels or price_of(tool, arguments) > 0
    return not costs and not leaves(tool.spec, labels)


def place_of(tool: str, arguments: Mapping[str, Any]) -> str:
    """Exactly this call."""
    return f"{tool} {digest(arguments)}"


class MuteDesk:
    """Asks nobody. A call that needs a yes is let through to a tool that does not do it; one that
    the owner refused then is refused again. Lines of the audit say that it was a shadow.
    """

    def __init__(self, world: World, note: Note, *, job: str) -> None:
        self._world = world
        self._note = note
        self._job = job

    async def decision(self, request: Request) -> Decision | None:
        """At once."""
        if said := self._world.recorded.refusal(request.tool, request.arguments):
            return Decision(False, said)
        self._world.asked.add(place_of(request.tool, request.arguments))
        return Decision(True, NOBODY)

    async def note(self, entry: Entry) -> None:
        """A line of the job's audit."""
        because = f"shadow run: {entry.because}"
        await self._note(replace(entry, job=self._job, because=because))

    async def may_escalate(self, job: str, *, run: str, times_max: int) -> bool:
        """Never: it would be one of the job's own."""
        del job, run, times_max
        return False


class NoMemory:
    """Steps that are done and not remembered: after a kill the piece is done anew."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done = 0

    async def do(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """See `Steps`."""
        del name
        self._done += 1
        return await work()

    def key_of(self, name: str) -> str:
        """See `Steps`."""
        return f"{self._name}:{name}:{self._done + 1}"


def deeds_of(own: Recorded | None, other: Recorded, *, tools: Sequence[Tool]) -> Deeds:
    """What both did, or would have done. Without a transcript of the job's run nobody knows its
    own, unless it has no tool that could leave anything behind.
    """
    by_name = {tool.spec.name: tool for tool in tools}
    return Deeds(
        own=lasting(own.calls if own is not None else (), by_name),
        other=lasting(other.calls, by_name),
        held=[
            Deed(one.tool, one.arguments)
            for one in other.calls
            if one.text == NOT_DONE and not lasting([one], by_name)
        ],
        known=own is not None or not any(leaves(tool.spec, tool.spec.labels) for tool in tools),
    )


def lasting(calls: Sequence[Called], tools: Mapping[str, Tool]) -> list[Deed]:
    """Those that left something behind, or would have."""
    found = []
    for one in calls:
        tool = tools.get(one.tool)
        spec = None if tool is None else tool.spec
        labels = frozenset[Label]() if tool is None else tool.needs(one.arguments)
        if one.done and one.tool != READ_ARTIFACT and leaves(spec, labels):
            found.append(Deed(one.tool, one.arguments))
    return found
