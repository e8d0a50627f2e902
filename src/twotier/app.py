"""The main process: builds everything from the configuration, runs it, stops it.

Order of life: lock, log, ledger, tiers, then all tasks in one group: the two servers (TCP and the
private socket), a keeper for each local server and one for the worker. Order of death: the worker,
the servers (answers may end), the local servers, the ledger. Killed with -9, the next main charges
the ledger's open rows and adopts the local servers that still live; the worker has ended by
itself, because our socket closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from twotier import __version__, build
from twotier.clock import SystemClock
from twotier.config.load import Loaded
from twotier.config.zones import zone_name
from twotier.dispatch import Dispatch
from twotier.errors import TierUnavailableError
from twotier.exchange import Ground
from twotier.gateway.app import Gateway
from twotier.gateway.asgi import Handler
from twotier.gateway.auth import Door, digest
from twotier.gateway.control import Control
from twotier.gateway.models import ModelRoute
from twotier.gateway.plain import ModelList, healthz
from twotier.gateway.status import Status
from twotier.keys import client_key
from twotier.ledger.book import Book
from twotier.lock import only_one
from twotier.probing import Probe
from twotier.providers.http import make_session
from twotier.router.names import Names
from twotier.router.tree import Router
from twotier.serve import Server, private_socket, tcp_socket
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.process import Processes
from twotier.supervisor.spec import Change, KeptSpec

OnReady = Callable[[dict[str, Any]], None]

log = logging.getLogger("twotier")
FIRST_LOOK_SECONDS = 2.0  # how long the banner waits for local servers that come up quickly


def run(loaded: Loaded, *, on_ready: OnReady) -> int:
    """Run until stopped; returns the exit code. Raises `AlreadyRunningError` and what is fatal."""
    loaded.paths.make()
    with only_one(loaded.paths.lock):
        return uvloop.run(Main(loaded, on_ready).run())


class Main:
    """One life of the main process."""

    def __init__(self, loaded: Loaded, on_ready: OnReady) -> None:
        self.loaded = loaded
        self.clock = SystemClock()
        self.budgets = build.budgets(loaded)
        self.keepers: list[Keeper] = []
        self.stopping = asyncio.Event()
        self.closing = asyncio.Event()
        self._on_ready = on_ready

    async def run(self) -> int:
        """From nothing to everything, and back."""
        key = client_key(self.loaded.paths.client_key)
        build.start_log(self.loaded, key)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.stopping.set)
        async with AsyncExitStack() as stack:
            book = await Book.open(self.loaded.paths.ledger, clock=self.clock)
            stack.push_async_callback(book.close)
            session = await stack.enter_async_context(make_session())
            probe = Probe(book, self.clock, new_id)
            shop = build.Workshop(
                self.loaded, session, self.clock, self.keep, probe, build.prices(self.loaded)
            )
            dispatch = self.dispatch(shop, book)
            worker = self.keep(build.worker_spec(self.loaded))
            await self.live(self.servers(dispatch, book, worker, key), worker)
        return 0

    def keep(self, spec: KeptSpec) -> Keeper:
        """A keeper that will run with us."""
        keeper = Keeper(
            spec, Processes(), clock=self.clock, random=random.random, on_change=note_change
        )
        self.keepers.append(keeper)
        return keeper

    def dispatch(self, shop: build.Workshop, book: Book) -> Dispatch:
        """The one path, with its tiers, names and rules."""
        config = self.loaded.config
        tiers = {name: build.tier(name, one, shop) for name, one in config.tiers.items()}
        specs = [tier.spec for tier in tiers.values()]
        names = Names(specs, config.aliases, build.priced(shop.prices, self.clock))
        return Dispatch(
            tiers,
            router=Router(names, frozenset(config.routing.off)),
            price=build.price_on(shop.prices),
            ground=Ground(book, self.budgets, self.clock),
            new_id=new_id,
        )

    def servers(
        self, dispatch: Dispatch, book: Book, worker: Keeper, key: str
    ) -> tuple[Server, Server, Status]:
        """The one port for clients, the private socket, and what both can tell."""
        gateway = self.loaded.config.gateway
        sock = tcp_socket(gateway.host, gateway.port)
        started = self.clock.now()
        status = Status(
            version=__version__,
            address=address(sock),
            started_at=started,
            zone=self.budgets[0].zone if self.budgets else zone_name("local"),
            tiers=dispatch.tiers,
            worker=worker.facts,
            book=book,
            budgets=self.budgets,
            clock=self.clock,
        )
        chat = ModelRoute(
            "openai_chat", dispatch, gateway.body_bytes_max, gateway.total_seconds_max
        )
        routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): chat,
            ("GET", "/v1/models"): ModelList(dispatch.router.names, int(started.timestamp())),
            ("GET", "/healthz"): healthz,
        }
        control = Control(status, dispatch, book, self.stopping.set, self.closing)
        public = Gateway(Door({"default": digest(key)}), routes)
        private = Gateway(Door({}, private=True), routes, control.app())
        inside = private_socket(self.loaded.paths.main_socket)
        limit = gateway.connections_max
        return (
            Server(public, sock, connections_max=limit),
            Server(private, inside, connections_max=limit),
            status,
        )

    async def live(self, parts: tuple[Server, Server, Status], worker: Keeper) -> None:
        """Run everything until told to stop, then end it in order."""
        *servers, status = parts
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(server.run_until_stopped()) for server in servers]
            for server in servers:
                await server.listening.wait()
            keeping = [group.create_task(keeper.run()) for keeper in self.keepers]
            await self.first_look()
            self._on_ready(await status.told())
            await self.stopping.wait()
            log.info("stopping")
            await worker.stop()
            self.closing.set()
            for server in servers:
                server.stop()
            await asyncio.gather(*serving)
            await asyncio.gather(*(keeper.stop() for keeper in self.keepers))
            for task in keeping:
                task.cancel()
        self.loaded.paths.main_socket.unlink(missing_ok=True)
        log.info("stopped")

    async def first_look(self) -> None:
        """Give local servers a moment, so that the banner can say `ready` where it soon is true."""
        with contextlib.suppress(TierUnavailableError):
            for keeper in self.keepers:
                await keeper.ensure_ready(within_seconds=FIRST_LOOK_SECONDS)


def address(sock: socket.socket) -> str:
    """What clients use as a base, without `/v1`."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def new_id() -> str:
    """A name for a request that nobody can guess."""
    return "req_" + secrets.token_hex(12)


def note_change(change: Change) -> None:
    """One log line for each step in the life of a kept process."""
    text = f"{change.name}: {change.after.value}"
    log.info(
        text,
        extra={
            "signal": change.signal.value,
            "because": change.because,
            "child": change.pid,
            "generation": change.generation,
        },
    )
