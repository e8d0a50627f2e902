"""Who minds one server, as `twotier engine` sees him: a keeper, or a watch over another's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from twotier.domain.tier import TierFacts


@dataclass(frozen=True, slots=True)
class Died:
    """One death. `evidence` are lines a person can check; `action` is what was done about it."""

    at: datetime
    cause: str
    action: str
    evidence: tuple[str, ...]
    exit_code: int | None
    lived_seconds: float


class Minder(Protocol):
    """What it is asked and told."""

    @property
    def owner(self) -> str:
        """Whose server it is, for sentences."""
        ...

    async def start(self, *, force: bool = False) -> None:
        """Start it, if it does not run; `force` passes the gate of memory. Raises `EngineError`."""
        ...

    async def restart(self, *, force: bool = False) -> None:
        """End it if it runs, and start it anew. Raises `EngineError`."""
        ...

    async def stop(self) -> None:
        """End it. Raises `EngineError` for a server that is not ours to end."""
        ...

    def facts(self) -> TierFacts:
        """What to show."""
        ...

    def since(self) -> datetime:
        """Since when it has stood so."""
        ...

    def gate(self) -> str:
        """Why a start is held up now (memory, a port); empty if it is not."""
        ...

    def evidence(self) -> tuple[str, ...]:
        """What a person can check about how it stands now."""
        ...

    def deaths(self) -> tuple[Died, ...]:
        """Its last deaths, the newest last."""
        ...
