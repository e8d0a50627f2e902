"""What stands around a keeper: memory, traces of deaths, and who is told when a person has to act.

One for all keepers of a process, because they share the machine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from twotier.domain.alert import Alert
from twotier.supervisor.room import Room
from twotier.supervisor.traces import Coroner


def unheard(_: Alert) -> None:
    """Nobody listens."""


async def nothing() -> str:
    """Nobody else is there to be asked."""
    return ""


@dataclass(frozen=True, slots=True)
class Around:
    """The machine, as keepers see it. Without a reader no start is held up for memory; without a
    coroner a death is explained by its exit code and log alone. `alert` must not wait. `spare` asks
    other servers to give back what nobody uses, and says what they gave; empty for nothing.
    """

    room: Room = field(default_factory=Room)
    coroner: Coroner | None = None
    alert: Callable[[Alert], None] = unheard
    spare: Callable[[], Awaitable[str]] = nothing
