"""F23: keys change and a broken file is reloaded in the midst of twenty streams: none is cut."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import aiohttp
import pytest

from tests.faults.crowd import Ask, Seen
from tests.faults.world import World, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STREAMS = 20


async def with_key(made: World, key: str) -> int:
    """The status that a request with this key gets."""
    address = made.service.status()["address"]
    async with (
        aiohttp.ClientSession() as session,
        session.get(address + "/v1/models", headers={"authorization": f"Bearer {key}"}) as reply,
    ):
        return reply.status


def test_what_changes_meanwhile_cuts_no_stream(tmp_path: Path) -> None:
    """A removed key is dead on its next request; a file that cannot be read changes nothing."""
    words, models = count(60), ("frontier", "local")
    asks = [Ask(next(words), models[n % 2], ("messages", "chat")[n % 2]) for n in range(STREAMS)]

    async def scenario(made: World) -> None:
        run = made.service.command
        phone = (await asyncio.to_thread(run, "key", "add", "phone")).stdout.split()[-1]
        asking = asyncio.create_task(made.crowd().all(asks))
        assert await with_key(made, phone) == 200
        await asyncio.to_thread(run, "key", "remove", "phone")
        assert await with_key(made, phone) == 401
        good = made.service.config.read_text()
        made.service.config.write_text(good + "\n[tiers.local\n")
        refused = await asyncio.to_thread(run, "job", "reload", code=2)
        assert "twotier.toml" in refused.stderr
        made.service.config.write_text(good)
        await asyncio.to_thread(run, "job", "reload")
        told = await asking
        assert [one for one in told if one.seen is not Seen.WHOLE] == []

    with world(tmp_path, pace_seconds=0.1) as made:
        asyncio.run(scenario(made))
        made.nothing_lost()
