"""Steps of a run: what has been done once is remembered, and not done again after a kill."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Json = Any  # what `json.dumps` takes: a step's result is stored as JSON, never pickled


class Steps(Protocol):
    """The steps of one run, in the order they are asked for.

    A step is done at least once and its result used once: killed between the work and the note of
    it, it is done again, so work with effects carries a key (`key_of`) by which the other side
    knows it. The order must not depend on a clock, on chance or on what another step has not told:
    whatever is read from outside is read inside a step.
    """

    async def do(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """The step's result: remembered, or made by `work` now. What `work` raises is not
        remembered: the run ends with it, or catches it and goes on, the same way each time.
        """
        ...

    def key_of(self, name: str) -> str:
        """An idempotency key for the next step of this name: the same after a kill."""
        ...
