"""Every kind of upstream as one thing: a fake server, the provider that asks it, a body it takes.

A new provider is a new line in `UPSTREAMS`, and then every claim of this folder is made of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.anthropic_api import Behaviour, FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI, Quirk
from twotier.domain.endpoint import ANY_WORK, Endpoint, Kept, Use, Work
from twotier.domain.tier import TierFacts, TierState
from twotier.providers.anthropic import Anthropic
from twotier.providers.base import Ask, Deadlines, Provider
from twotier.providers.http import Transport
from twotier.providers.kept import KeptProvider
from twotier.providers.openai_compatible import OpenAICompatible

Server = FakeAnthropic | FakeOpenAI
# Trouble has one name here; each fake has its own for it.
TROUBLE: dict[str, tuple[Quirk, Behaviour]] = {
    "cut": (Quirk.CUT, Behaviour.CUT),
    "clean-cut": (Quirk.CLEAN_CUT, Behaviour.CLEAN_CUT),
    "stall": (Quirk.STALL, Behaviour.STALL),
    "silent": (Quirk.SILENT, Behaviour.SILENT),
    "html": (Quirk.HTML, Behaviour.HTML),
    "hang-up": (Quirk.HANG_UP, Behaviour.HANG_UP),
    "500": (Quirk.BROKEN, Behaviour.BROKEN),
    "error-in-stream": (Quirk.ERROR_IN_STREAM, Behaviour.OVERLOADED_IN_STREAM),
}


class ReadyKeeper:
    """A keeper whose server is up; it notes what it is told."""

    def __init__(self, base_url: str) -> None:
        self.endpoint = Endpoint(base_url, 1)
        self.suspicions: list[str] = []
        self.uses = 0
        self.progress = 0
        self.within_seconds = 0.0
        self.work = ANY_WORK

    async def ensure_ready(self, *, within_seconds: float) -> Endpoint:
        self.within_seconds = within_seconds
        return self.endpoint

    def facts(self) -> TierFacts:
        return TierFacts("local", TierState.READY)

    def suspect(self, because: str) -> None:
        self.suspicions.append(because)

    def pick_up(self, work: Work = ANY_WORK) -> Use:
        self.work = work
        self.uses += 1
        return _Use(self)


class _Use:
    def __init__(self, keeper: ReadyKeeper) -> None:
        self._keeper = keeper
        self._held = True

    def progressed(self) -> None:
        self._keeper.progress += 1

    def lay_down(self) -> None:
        self._keeper.uses -= self._held
        self._held = False


@dataclass(frozen=True)
class Upstream:
    """One line of the contract. `key` is what must never be seen in an error."""

    name: str
    serve: Callable[[], Server]
    provide: Callable[[Transport, str], Provider]
    model: str
    key: str

    def trouble(self, server: Server, name: str) -> None:
        """Order trouble for the next request."""
        quirk, behaviour = TROUBLE[name]
        if isinstance(server, FakeAnthropic):
            server.queue(behaviour)
        else:
            server.queue(quirk)

    def ask(self, text: str = "say: one two three four five", /, **seconds: float) -> Ask:
        """A streamed ask; `seconds` overrides single deadlines."""
        limits = {"connect": 2.0, "first_token": 5.0, "idle": 5.0, "total": 10.0} | seconds
        body = {
            "model": self.model,
            "max_tokens": 50,
            "stream": True,
            "messages": [{"role": "user", "content": text}],
        }
        deadlines = Deadlines(**{f"{name}_seconds": value for name, value in limits.items()})
        return Ask(json.dumps(body).encode(), stream=True, deadlines=deadlines)


def _openai(transport: Transport, base_url: str) -> Provider:
    return OpenAICompatible(transport, base_url=base_url, key=lambda: "sk-local-secret")


def _anthropic(transport: Transport, base_url: str) -> Provider:
    return Anthropic(transport, base_url=base_url, key=lambda: "sk-ant-fake-0001")


def _kept(transport: Transport, base_url: str) -> Provider:
    keeper: Kept = ReadyKeeper(base_url)
    return KeptProvider(
        keeper,
        lambda endpoint: _openai(transport, endpoint.base_url),
        dialect="openai_chat",
        wait_seconds=1.0,
    )


UPSTREAMS = [
    Upstream("openai", FakeOpenAI, _openai, "m", "sk-local-secret"),
    Upstream("kept", FakeOpenAI, _kept, "m", "sk-local-secret"),
    Upstream("anthropic", FakeAnthropic, _anthropic, "claude-opus-4-6", "sk-ant-fake-0001"),
]
