"""The parts of a run whose answers may wait for a provider's batch: all are asked before any again.

They are one step of the run, because how many rounds it takes is nothing that could be repeated.
After a kill the rounds begin anew: what is stored is not asked again, and main still has what is in
a batch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

from twotier.domain.steps import Json
from twotier.errors import PausedError
from twotier.jobs.asking import PAUSES_SECONDS, TRIES_PER_ANSWER, Asker, WaitsError
from twotier.jobs.parts import Part, Tally


class Next(Enum):
    """What comes after a part of a run."""

    GO_ON = auto()
    WAIT = auto()  # and this part again, later
    STOP = auto()  # there is no use in trying the others now


class Works(Protocol):
    """What the runner does for a part."""

    async def asked(
        self, part: Part, number: int, *, before: Mapping[str, Any], asker: Asker
    ) -> dict[str, Any]:
        """One model call. Raises `WaitsError` while it waits."""
        ...

    async def finish(self, part: Part, made: Mapping[str, Any], *, tally: Tally) -> None:
        """Store and deliver, and note it."""
        ...

    async def has_answer(self, part: Part) -> bool:
        """Whether its answer is stored already."""
        ...


@dataclass(slots=True)
class Batch:
    """All parts, round after round. `tried` are answers that were not good enough: of each part
    the next try, and what was said of the last one. `waited` are parts that are, or were, in a
    batch.
    """

    works: Works
    parts: Sequence[Part]
    tally: Tally
    asker: Asker
    paused: Callable[[], bool]
    rest: Callable[[float], Awaitable[None]]
    tried: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    waited: set[str] = field(default_factory=set)

    async def all(self) -> Json:
        """Until none waits any more; the tally as JSON."""
        left, rounds = list(self.parts), 0
        while left := await self._round(left):
            await self.rest(PAUSES_SECONDS[min(rounds, len(PAUSES_SECONDS) - 1)])
            rounds += 1
        return asdict(self.tally)

    async def _round(self, parts: Sequence[Part]) -> list[Part]:
        """Each part once; those that wait for a batch are left, also where the others are not
        worth trying: they may be paid for already.
        """
        waiting: list[Part] = []
        for number, part in enumerate(parts, 1):
            if self.paused():
                raise PausedError("the worker stops; the run goes on at its next start")
            after = await self._one(part)
            if after is Next.STOP:
                return waiting + [one for one in parts[number:] if one.key in self.waited]
            if after is Next.WAIT:
                self.waited.add(part.key)
                waiting.append(part)
        return waiting

    async def _one(self, part: Part) -> Next:
        made: dict[str, Any] = {}
        if not await self.works.has_answer(part):
            try:
                made = await self._made(part)
            except WaitsError:
                return Next.WAIT
            if "text" not in made:
                self.tally.failed(made)
                return Next.GO_ON if made.get("go_on") else Next.STOP
        await self.works.finish(part, made, tally=self.tally)
        return Next.GO_ON

    async def _made(self, part: Part) -> dict[str, Any]:
        number, made = self.tried.get(part.key, (1, {}))
        while number <= TRIES_PER_ANSWER:
            made = await self.works.asked(part, number, before=made, asker=self.asker)
            if "wrong" not in made:
                break
            number += 1
            self.tried[part.key] = (number, made)
        return made
