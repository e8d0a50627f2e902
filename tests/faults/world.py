"""A real `twotier up` between two fakes, with a proxy before each that breaks connections."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.faults.crowd import Ask, Crowd, Told
from tests.faults.invariant import nothing_lost
from tests.faults.proxy import ChaosProxy
from tests.story.service import FRONTIER, LOCAL_SERVER, Service

SOAK = bool(os.environ.get("SOAK"))


@dataclass
class World:
    """All of it. `told` collects what every client saw, over all lives of the service."""

    service: Service
    frontier: FakeAnthropic
    local: FakeOpenAI
    before_frontier: ChaosProxy
    before_local: ChaosProxy
    told: list[Told]

    def crowd(self) -> Crowd:
        """Clients of the main that runs now."""
        key = self.service.paths.client_key.read_text(encoding="ascii").strip()
        return Crowd(self.service.status()["address"], key, self.told)

    def ask(self, asks: Sequence[Ask], *, at_once: int = 50) -> list[Told]:
        """Ask all of them and wait for their ends."""
        return asyncio.run(self.crowd().all(list(asks), at_once=at_once))

    def nothing_lost(self) -> None:
        """Stops the service and looks at what it left."""
        self.service.command("down")
        nothing_lost(self.service.paths.state, self.frontier.bill, told=self.told)


@contextmanager
def world(
    folder: Path, *parts: str, pace_seconds: float = 0.0, frontier: FakeAnthropic | None = None
) -> Iterator[World]:
    """`parts` are more of the configuration; both upstreams wait so long between two events."""
    played = frontier or FakeAnthropic(pace_seconds=pace_seconds, retry_after="1")
    with (
        played as frontier,
        FakeOpenAI(pace_seconds=pace_seconds) as local,
        ChaosProxy(frontier.base_url) as before_frontier,
        ChaosProxy(local.base_url) as before_local,
    ):
        tiers = (
            LOCAL_SERVER.format(base_url=before_local.base_url),
            FRONTIER.format(base_url=before_frontier.base_url),
        )
        with Service(folder, *tiers, *parts, env={"FRONTIER_KEY": frontier.key}) as service:
            yield World(service, frontier, local, before_frontier, before_local, [])
