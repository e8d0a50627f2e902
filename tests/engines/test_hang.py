"""Real servers that live and do nothing, found by the keeper with the limits it ships with.

The pair of mlx-lm 0.30.7 and mlx 0.32.4 is made from its own lock (`zombie.txt`): its server loads,
says 200 on `/health`, loses its generation thread in the first request and is silent from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.engines.fixtures import mlx_environment, tiny_minimax, zombie_environment
from tests.engines.test_engines import kept
from tests.supervisor.kept import using
from tests.toys.client import one_token
from twotier.clock import SystemClock
from twotier.domain.endpoint import Endpoint
from twotier.engines.base import Settings, engine, identity
from twotier.errors import TierUnavailableError
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.policy import State
from twotier.supervisor.process import Processes
from twotier.supervisor.spec import Change, KeptSpec


class Seen:
    """Hears each change, and when."""

    def __init__(self) -> None:
        self.changes: list[tuple[float, Change]] = []
        self.news = asyncio.Event()

    def __call__(self, change: Change) -> None:
        self.changes.append((time.monotonic(), change))
        self.news.set()

    async def until(self, done: Callable[[Change], bool]) -> tuple[float, Change]:
        """The first change of that kind, and its time."""
        async with asyncio.timeout(240):
            while not (found := [one for one in self.changes if done(one[1])]):
                self.news.clear()
                await self.news.wait()
        return found[0]


def keeper_of(folder: Path, python: Path, seen: Seen, **limits: Any) -> Keeper:
    """The product's keeper round mlx-lm, with the limits of the product."""
    kind, settings, model = engine("mlx_lm"), Settings(window_tokens=2048), tiny_minimax()
    spec = KeptSpec(
        name="mlx",
        launch=lambda port: kind.launch(python, model, port=port, settings=settings),
        ready=one_token("default_model"),
        log_path=folder / "mlx.log",
        record_path=folder / "mlx.json",
        identity=identity(model),
        **limits,
    )
    return Keeper(spec, Processes(), clock=SystemClock(), random=random.random, on_change=seen)


async def says_in(path: Path, words: str) -> None:
    """Wait until a log has these words."""
    async with asyncio.timeout(60):
        while words not in await asyncio.to_thread(path.read_text):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def health(endpoint: Endpoint) -> int:
    """What `/health` says."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{endpoint.base_url}/health") as response,
    ):
        return response.status


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="the pair is pinned for Linux")
def test_a_real_zombie_is_found_while_its_health_is_200(tmp_path: Path) -> None:
    """It is ended for doing nothing, its log names the pair, and it is not tried again."""

    async def scenario() -> None:
        seen = Seen()
        limits = {"still_seconds": 6.0}  # 30 in the product; a fifth of the wait shows the same
        async with kept(keeper_of(tmp_path, zombie_environment(), seen, **limits)) as keeper:
            await seen.until(lambda one: one.after is State.LOADING)
            await says_in(tmp_path / "mlx.log", "There is no Stream")
            endpoint = Endpoint(keeper.facts().address, 1)
            assert await health(endpoint) == 200
            _, change = await seen.until(lambda one: one.after is State.QUARANTINED)
            assert "do not fit each other" in change.because
            assert "There is no Stream" in change.because
            with pytest.raises(TierUnavailableError, match="do not fit"):
                await keeper.ensure_ready(within_seconds=1)

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(600)
@pytest.mark.parametrize("busy", [False, True])
def test_a_stopped_real_server_is_found_and_replaced(tmp_path: Path, busy: bool) -> None:
    """SIGSTOP: the port is open, nothing moves. Idle and with a request in it.

    With a third of the product's limits; their sum is held in `tests/supervisor/test_vigil.py`.
    """

    async def scenario() -> None:
        seen = Seen()
        limits = {"probe_every_seconds": 2.0, "probe_seconds_max": 3.0, "stop_grace_seconds": 2.0}
        async with kept(keeper_of(tmp_path, mlx_environment(), seen, **limits)) as keeper:
            first = await keeper.ensure_ready(within_seconds=240)
            assert await health(first) == 200
            pid = keeper.facts().pid
            assert pid
            with using(keeper) if busy else contextlib.nullcontext():
                os.kill(pid, signal.SIGSTOP)
                _, change = await seen.until(lambda one: one.after is State.BACKOFF)
            assert "hung, so it was ended" in change.because
            assert (await keeper.ensure_ready(within_seconds=240)).generation == 2

    asyncio.run(scenario())
