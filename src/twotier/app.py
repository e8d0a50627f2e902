"""The main process: builds everything from the configuration, runs it, stops it.

Order of life: lock, log, ledger, tiers, then all tasks in one group: the two servers (TCP and the
private socket), a keeper for each child. Order of death: the worker, the servers (answers may end),
the local servers (not where a service manager ends us), the ledger. Killed with -9, the next main
charges the ledger's open rows and adopts the local servers that live; the worker ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from twotier.attempts import new_ids
from twotier.build.alerts import alerts_of
from twotier.build.clients import clients
from twotier.build.front import Front, Opened, make_dispatch
from twotier.build.heart import ALONE, Kept
from twotier.build.household import Household
from twotier.build.learned import hear_loads, learned_of
from twotier.build.ledger import hold_again, open_book
from twotier.build.money import budgets, prices
from twotier.build.slots import ease_in
from twotier.build.standby import places
from twotier.build.telemetry import Telemetry
from twotier.build.tiers import Workshop
from twotier.build.worker import worker_spec
from twotier.config.load import Loaded
from twotier.errors import first_cause
from twotier.exchange import Ground
from twotier.gateway.live import Live
from twotier.lock import only_one
from twotier.probing import Probe
from twotier.providers.http import Transport
from twotier.supervisor.keeper import Keeper

log = logging.getLogger("twotier")
OnReady = Callable[[dict[str, Any]], None]
OnStopping = Callable[[int], None]

ANSWERS_SECONDS_MAX = 10.0  # for answers on their way when we are told to stop


def run(loaded: Loaded, *, on_ready: OnReady, on_stopping: OnStopping, kept: Kept = ALONE) -> int:
    """Run until stopped; returns the exit code. Raises `AlreadyRunningError` and what is fatal."""
    loaded.paths.make()
    with only_one(loaded.paths.lock):
        try:
            return uvloop.run(Main(loaded, on_ready, on_stopping=on_stopping, kept=kept).run())
        except BaseExceptionGroup as group:
            # One task failed and took the others along: the cause is what a person should read.
            cause = first_cause(group)
            raise cause from None


class Main:
    """One life of the main process."""

    def __init__(
        self, loaded: Loaded, on_ready: OnReady, *, on_stopping: OnStopping, kept: Kept
    ) -> None:
        self.loaded = loaded
        self.clock = kept.clock
        self.new_id = new_ids()
        self.learned = learned_of(loaded, self.clock)
        alerts = alerts_of(loaded, self.clock)
        self.house = Household(self.clock, alerts, places(loaded.config, self.clock), kept)
        self.stopping = asyncio.Event()
        self.closing = asyncio.Event()
        self.hurrying = asyncio.Event()
        self._on_ready = on_ready
        self._on_stopping = on_stopping

    async def run(self) -> int:
        """From nothing to everything, and back."""
        keys = clients(self.loaded)
        telemetry = Telemetry(self.loaded, keys.default_key, clock=self.clock, learned=self.learned)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        async with AsyncExitStack() as stack:
            stack.callback(telemetry.close)
            book = await open_book(self.loaded, self.house)
            stack.push_async_callback(book.close)
            transport = await stack.enter_async_context(Transport())
            shop = Workshop(
                self.loaded,
                transport,
                self.clock,
                self.house,
                Probe(book, self.clock, self.new_id),
                prices(self.loaded),
                pace=self.learned.speeds.pace,
            )
            told = (*telemetry.told, self.house.hear)
            ground = Ground(book, budgets(self.loaded), self.clock, told, keys.budgets_of)
            dispatch = make_dispatch(shop, ground=ground, new_id=self.new_id, learned=self.learned)
            ease_in(dispatch.tiers, self.house.listen)
            hear_loads(self.learned, self.house.listen)
            await self.learned.open(book)
            await hold_again(dispatch, book)
            stack.callback(self.learned.close)
            worker = self.house.keep(worker_spec(self.loaded, self.house.kept.worker))
            front = Front(
                self.loaded, dispatch, ground, telemetry, self.stop, self.closing, self.house
            )
            await self.live(front.open(keys, worker.facts), worker)
        return self.house.exit_code

    async def live(self, opened: Opened, worker: Keeper) -> None:
        """Run everything until told to stop, then end it in order."""
        servers = opened.servers
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(server.run_until_stopped()) for server in servers]
            await opened.listening()
            self.house.begin(group)
            await self.house.first_look()
            self._on_ready(await opened.status.told())
            await self.stopping.wait()
            log.info("stopping", extra={"under_way": opened.live.under_way})
            self._on_stopping(opened.live.under_way)
            patience = group.create_task(self.lose_patience(opened.live))
            for server in servers:
                server.stop()
            await worker.stop()
            self.closing.set()
            await asyncio.gather(*serving)
            patience.cancel()
            opened.answers.close()
            await self.house.end()
        self.loaded.paths.main_socket.unlink(missing_ok=True)
        log.info("stopped")

    def stop(self) -> None:
        """Begin to stop; the second time, at once."""
        (self.hurrying if self.stopping.is_set() else self.stopping).set()

    async def lose_patience(self, live: Live) -> None:
        """Answers may end by themselves for a while; then they are ended, with an error."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWERS_SECONDS_MAX):
                await self.hurrying.wait()
        live.end()
