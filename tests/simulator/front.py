"""The main process of a simulated day: gateway route, dispatcher, ledger and keeper, as `build`
makes them, and its door: what the HTTP server does between a client and the application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from bench.virtual import frontier_spec, local_spec
from tests.simulator.disk import SteppedWriter
from tests.simulator.loop import Clock, Loop, Task, Universe
from tests.simulator.machine import Machine
from tests.simulator.planted import (
    ASKS_AGAIN,
    FORGETS_ANSWERS,
    MAKES_UP_AN_END,
    SKIPS_SETTLEMENT,
    Careless,
)
from twotier.answers import Answers, Bounds
from twotier.build.money import price_on
from twotier.build.slots import hear
from twotier.dispatch import Dispatch
from twotier.domain.endpoint import Endpoint
from twotier.domain.launch import Launch
from twotier.domain.money import Budget
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.engines.mlx_lm import MlxLm
from twotier.exchange import Ground, Tier
from twotier.gateway.app import DIALECT_AT, Gateway
from twotier.gateway.asgi import Handler
from twotier.gateway.auth import PrivateDoor
from twotier.gateway.live import Live
from twotier.gateway.models import ModelRoute
from twotier.gateway.refusals import Refusals
from twotier.gateway.repeats import Repeats
from twotier.ledger.book import Book
from twotier.ledger.shipped import shipped_prices
from twotier.probing import Probe
from twotier.providers.anthropic import Anthropic
from twotier.providers.base import Provider
from twotier.providers.counting import Counting
from twotier.providers.http import Transport
from twotier.providers.kept import KeptProvider
from twotier.providers.openai_compatible import OpenAICompatible
from twotier.providers.plain_pool import Pool
from twotier.proving import Habits, Proving
from twotier.router.breaker import Breakers
from twotier.router.line import Line
from twotier.router.names import Names
from twotier.router.retry import RetryBudget
from twotier.router.tree import Router
from twotier.slots import Slots
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.spec import Change, KeptSpec
from twotier.tries import Remedy

FRONTIER = ("frontier.test", 80)
BODY_BYTES_MAX = 1_000_000
TOTAL_SECONDS_MAX = 900.0
SLOTS, WAITING_MAX, WAIT_SECONDS = 2, 4, 60.0
KEPT = Bounds(7 * 86_400.0, 10_000, 50_000_000)


class Wires(Transport):
    """The product's own client for `http://`; nobody here speaks TLS."""

    async def __aenter__(self) -> Wires:
        self.plain = Pool()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.plain.__aexit__(None, None, None)


@dataclass
class Asked:
    """A request at the door. `hears` is told each ASGI message and, with None, of a break."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    loop: Loop
    hears: Callable[[dict[str, Any] | None], None]
    task: Task | None = None
    over: bool = False


@dataclass
class Main:
    """One life. It outlives nothing: what the next one knows is in its files."""

    universe: Universe
    clock: Clock
    machine: Machine
    home: Path
    budgets: Sequence[Budget]
    life: int
    say: Callable[..., None]
    loop: Loop = field(init=False)
    ready: bool = False
    asked: list[Asked] = field(default_factory=list)
    told: list[Callable[[], None]] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    ids: int = 0
    planted: str = ""
    task: Any = None

    def begin(self) -> None:
        """Start it."""
        self.loop = self.universe.loop(f"main{self.life}")
        self.loop.net = self.machine.loop.net
        self.task = self.loop.begin(self.run())

    async def run(self) -> None:
        """From nothing to everything, and back."""
        self.book = await Book.open(
            self.home / "ledger.db", clock=self.clock, owner="simulated", writer=SteppedWriter
        )
        cast("SteppedWriter", self.book._writer).skips = int(self.planted == SKIPS_SETTLEMENT)
        self.say("main", life=self.life, recovered=self.book.recovered, held=self.book.held)
        async with Wires() as transport:
            self.dispatch = self.made(transport)
            self.live = Live(TOTAL_SECONDS_MAX, Refusals(self.new_id))
            self.answers = Answers(self.home / "answers.db", KEPT, clock=self.clock)
            repeats = Repeats(self.answers, body_bytes_max=BODY_BYTES_MAX)
            proving = Proving(self.dispatch, Habits(), local=frozenset({"local"}))
            route = partial(ModelRoute, live=self.live, body_bytes_max=BODY_BYTES_MAX)
            once = repeats.once if self.planted != FORGETS_ANSWERS else plainly
            routes = {
                ("POST", path): once(route(dialect, proving))
                for path, dialect in DIALECT_AT.items()
            }
            self.gateway = Gateway(PrivateDoor(), routes, refusals=self.live.refusals)
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self.keeper.run())
                self.ready = True
                await self.stopping.wait()
                self._gone()
                self.live.end()
                await asyncio.sleep(5.0)
                keeping.cancel()
        await self.book.close()

    def new_id(self) -> str:
        """Names that no other life gives."""
        self.ids += 1
        return f"req_{self.life:03d}{self.ids:06d}"

    def made(self, transport: Transport) -> Dispatch:
        """The one path, its two tiers and what they stand on."""
        prices = shipped_prices()
        price = prices.price("anthropic", "claude-opus-4-6", on=self.clock.start.date())
        near, far = limited(local_spec()), limited(frontier_spec(price))
        self.breakers = Breakers()
        tiers = {"local": self.kept(near, transport), "frontier": self.remote(far, transport)}
        router = Router(Names([near, far], {}, lambda _provider, _model: False))
        return Dispatch(
            tiers,
            router=router,
            price=price_on(prices),
            ground=Ground(self.book, self.budgets, self.clock, (router.caches,)),
            new_id=self.new_id,
            remedy=Remedy(self.breakers, RetryBudget(), self.universe.chance.random),
        )

    def remote(self, spec: TierSpec, transport: Transport) -> Tier:
        """The frontier."""
        host, _ = FRONTIER
        provider: Provider = Anthropic(transport, key=lambda: "key", base_url=f"http://{host}")
        if self.planted in (ASKS_AGAIN, MAKES_UP_AN_END):
            provider = Careless(provider, self.planted)

        def facts() -> TierFacts:
            now = self.clock.monotonic()
            outage = self.breakers.outage((spec.name, spec.model), now=now)
            return TierFacts(spec.name, TierState.DOWN if outage else TierState.READY, outage)

        return Tier(spec, provider, facts)

    def kept(self, spec: TierSpec, transport: Transport) -> Tier:
        """The local one, with its keeper."""

        def make(endpoint: Endpoint) -> OpenAICompatible:
            base_url = endpoint.base_url
            return OpenAICompatible(transport, base_url=base_url, not_found_is_outage=True)

        self.keeper = Keeper(
            KeptSpec(
                name=spec.name,
                launch=lambda port: Launch(("serve", str(port))),
                ready=Probe(self.book, self.clock, self.new_id).of(spec, make),
                log_path=self.home / "engine.log",
                record_path=self.home / "engine.json",
                listens=False,
                probe_every_seconds=self.probe_every_seconds,
                log_look_seconds=3_600.0,
            ),
            self.machine,
            clock=self.clock,
            random=self.universe.chance.random,
            on_change=self.changed,
        )
        provider = KeptProvider(self.keeper, make, dialect="openai_chat", wait_seconds=WAIT_SECONDS)
        traits = MlxLm.traits
        self.slots = Slots(
            Line(SLOTS, WAITING_MAX),
            self.keeper.facts,
            now=self.clock.monotonic,
            wait_seconds=WAIT_SECONDS,
        )
        return Tier(
            spec,
            Counting(provider),
            self.slots.told,
            traits.fields,
            kept=True,
            slots=self.slots,
        )

    probe_every_seconds = (
        300.0  # at the usual 12 a day has 7,000 probes, and takes ten times as long
    )

    def changed(self, change: Change) -> None:
        """A step in the server's life."""
        self.say("keeper", before=change.before, signal=change.signal, after=change.after)
        hear(self.slots, change)

    # -- the door

    def take(self, asked: Asked) -> None:
        """A request came in. What the HTTP server does is done here."""
        asked.task = self.loop.begin(self._served(asked))
        self.asked.append(asked)

    def left(self, asked: Asked) -> None:
        """Its client has gone: the server cancels whoever answers."""
        if self.loop.alive and asked.task is not None and not asked.over:
            asked.task.cancel()

    async def _served(self, asked: Asked) -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": asked.path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in asked.headers.items()],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": asked.body, "more_body": False}

        whole = False

        async def send(message: Any) -> None:
            nonlocal whole
            body = message["type"] == "http.response.body"
            whole = whole or (body and not message.get("more_body"))
            self.tell(asked, dict(message))

        try:
            await self.gateway(scope, receive, send)
        finally:
            asked.over = True
            self.asked.remove(asked)
            if not whole:  # as the server does: the connection breaks
                self.tell(asked, None)

    def tell(self, asked: Asked, message: dict[str, Any] | None) -> None:
        """A client hears something, a millisecond later: one connection keeps its order."""
        asked.loop.call_at(self.universe.now + 0.001, asked.hears, message)

    def _gone(self) -> None:
        """Nobody is let in any more, and the worker hears of it."""
        self.ready = False
        told, self.told = self.told, []
        for tell in told:
            tell()

    def kill(self) -> None:
        """Kill -9: its clients see their connections break."""
        self._gone()
        self.loop.kill()
        self.machine.loop.net.gone(self.loop)
        if (child := self.machine.child) is not None:
            child.release()
        for asked in self.asked:
            if not asked.over:
                self.tell(asked, None)

    def close(self) -> None:
        """When all is over: what a killed life had open."""
        if hasattr(self, "book"):
            writer = self.book._writer
            if writer._connection is not None:
                writer._connection.close()
            writer._witness.close()
        if hasattr(self, "answers"):
            self.answers._file.close()


def plainly(handler: Handler) -> Handler:
    """As it is."""
    return handler


def limited(spec: TierSpec) -> TierSpec:
    """With the limits of time that the configuration has by itself."""
    return replace(spec, first_token_seconds=60.0, idle_seconds=30.0, total_seconds=600.0)
