"""What the clients meet: one `twotier up` over a scripted frontier and two scripted local servers.

The clients' prompts are 30 to 90 KB and their tools many, so no model that fits into a test
answers them; the local tiers are the generic engine `openai` over fakes whose mind is a `Plan`.
`local` speaks Chat Completions only, so Messages and Responses are translated; `relayed` speaks
Messages too. The frontier is the faithful fake of Anthropic's API, its rules and its bill included.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.local_server import LocalServer
from tests.clients.plan import Plan
from tests.clients.sandbox import Sandbox
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.mind import Mind
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, Service, eventually

LOCAL = """
[tiers.{name}]
engine = "openai"
model = "scripted"
base_url = "{base_url}/v1"
window_tokens = 200_000
{more}
"""
# Codex offers more tools to a name that begins as one it knows.
KNOWN = """
"gpt-5.5-local" = "local"
"gpt-5.5-frontier" = "frontier"
"""
SPEAKS = 'speaks = ["messages", "count_tokens"]'


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    local: FakeOpenAI
    relayed: LocalServer
    frontier: FakeAnthropic

    def plan(self, *calls: tuple[str, Mapping[str, Any]]) -> None:
        """What every model does from now on."""
        self.think(Plan(*calls))

    def think(self, mind: Mind) -> None:
        """How every model decides what to answer from now on."""
        self.local.mind = self.relayed.mind = self.frontier.mind = mind

    @property
    def key(self) -> str:
        """The clients' key."""
        return self.service.paths.client_key.read_text(encoding="ascii").strip()

    @property
    def address(self) -> str:
        """The gateway."""
        address: str = self.service.status()["address"]
        return address

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return int(self.address.rpartition(":")[2])

    def sandbox(self, folder: Path) -> Sandbox:
        """An empty place for a client."""
        return Sandbox(folder, port=self.port)

    def served(self) -> dict[str, int]:
        """Requests by tier, as the ledger counts them, once nothing is open any more."""
        rows: dict[str, Any] = eventually(self._settled, what="all rows settled")
        return {tier: row["requests"] for tier, row in rows.items()}

    def _settled(self) -> dict[str, Any] | None:
        rows = self.service.spend()
        return rows if all(float(row["reserved_usd"]) == 0 for row in rows.values()) else None


def configuration(local: FakeOpenAI, relayed: LocalServer, frontier: FakeAnthropic) -> str:
    """The file a person would write for these three."""
    tiers = (("local", local.base_url, ""), ("relayed", relayed.base_url, SPEAKS))
    parts = [LOCAL.format(name=name, base_url=url, more=more) for name, url, more in tiers]
    return "".join(parts) + FRONTIER.format(base_url=frontier.base_url) + KNOWN


@contextlib.contextmanager
def running(folder: Path) -> Iterator[World]:
    """All of it, for as long as a `with`."""
    with (
        FakeOpenAI() as local,
        LocalServer() as relayed,
        FakeAnthropic(joins_turns=True) as frontier,
    ):
        text = configuration(local, relayed, frontier)
        with Service(folder, text, env={"FRONTIER_KEY": frontier.key}) as service:
            yield World(service, local, relayed, frontier)
