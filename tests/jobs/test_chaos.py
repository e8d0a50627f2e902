"""Kill -9 at any moment, on both databases: the promise that the engine is there for."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.jobs.chaos import chaos, home_of, left, proven
from tests.jobs.postgres import postgres

SOAK = bool(os.environ.get("SOAK"))


@pytest.mark.slow
def test_killed_workers_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """SQLite: every run ends, no finished step is done again, nothing is paid for twice."""
    runs, kills = (40, 20) if SOAK else (6, 2)

    async def scenario() -> None:
        home = home_of(tmp_path, runs=runs)
        bill, ordered = await chaos(home, runs=runs, kills=kills, seed=6)
        found = await left(home, ordered)
        proven(home, found, bill=bill, ordered=ordered, kills=kills)

    asyncio.run(scenario())


@pytest.mark.slow
def test_the_same_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other store keeps the same promise."""
    runs, kills = (40, 20) if SOAK else (4, 1)

    async def scenario(url: str) -> None:
        home = home_of(tmp_path, runs=runs, database="env:TT_CHAOS_DATABASE")
        bill, ordered = await chaos(home, runs=runs, kills=kills, seed=15)
        found = await left(home, ordered, url=url)
        proven(home, found, bill=bill, ordered=ordered, kills=kills)

    with postgres() as url:
        if url is None:
            pytest.skip("there is no PostgreSQL: neither /usr/lib/postgresql nor a wheel of it")
        monkeypatch.setenv("TT_CHAOS_DATABASE", url)
        asyncio.run(scenario(url))
