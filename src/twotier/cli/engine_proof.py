"""One generated token from an engine's other environment, beside everything that runs.

The product's own keeper round the product's own description, in a folder that is gone afterwards.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from functools import partial
from pathlib import Path

import psutil

from twotier.clock import SystemClock
from twotier.domain.endpoint import Endpoint
from twotier.domain.tier import TierState
from twotier.engines.base import Engine, Settings, readiness_body
from twotier.providers.base import Ask, Deadlines, all_of
from twotier.providers.http import Transport
from twotier.providers.openai_compatible import OpenAICompatible
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.process import Processes
from twotier.supervisor.spec import KeptSpec

WINDOW_TOKENS = 1_024
ROOM_FACTOR = 1.2  # the model's files, and what a short prompt needs beside them
ROOM_BYTES = 1_000_000_000
LOOK_SECONDS = 0.1
ASK_SECONDS_MAX = 600.0  # the keeper has the real limit
ENDING_SECONDS = 30.0  # after that limit the keeper ends it and reads why in its log


def has_room(model: Path) -> bool:
    """Whether memory holds this model a second time now."""
    files = [model] if model.is_file() else [one for one in model.rglob("*") if one.is_file()]
    needed = sum(one.stat().st_size for one in files) * ROOM_FACTOR + ROOM_BYTES
    return psutil.virtual_memory().available > needed


def proven(described: Engine, python: Path, *, model: Path, seconds: float) -> str:
    """Why it generates no token with this python, empty if it does. Blocks while it loads."""
    with tempfile.TemporaryDirectory(prefix="twotier-proof-") as folder:
        return asyncio.run(
            _proven(described, python, model=model, folder=Path(folder), seconds=seconds)
        )


async def _proven(
    described: Engine, python: Path, *, model: Path, folder: Path, seconds: float
) -> str:
    settings = Settings(window_tokens=WINDOW_TOKENS, parallel=1)
    keeper = Keeper(
        KeptSpec(
            name=described.traits.name,
            launch=lambda port: described.launch(python, model, port=port, settings=settings),
            ready=partial(one_token, model=described.model_upstream(model.stem)),
            log_path=folder / "engine.log",
            record_path=folder / "engine.json",
            load_seconds_max=seconds,
        ),
        Processes(),
        clock=SystemClock(),
        random=random.random,
        on_change=lambda _: None,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(keeper.run())
        try:
            return await first_answer(keeper, seconds)
        finally:
            await keeper.stop()
            running.cancel()


async def first_answer(keeper: Keeper, seconds: float) -> str:
    """Wait for its first token; one death is enough to know."""
    try:
        return await asyncio.wait_for(ready_or_dead(keeper), seconds + ENDING_SECONDS)
    except TimeoutError:
        return f"no token in {seconds:.0f} s"


async def ready_or_dead(keeper: Keeper) -> str:
    """Empty once it is ready, or why it is not."""
    while (facts := keeper.facts()).state is not TierState.READY:
        if facts.lost or facts.state is TierState.QUARANTINED:
            return facts.because
        await asyncio.sleep(LOOK_SECONDS)
    return ""


async def one_token(endpoint: Endpoint, *, model: str) -> None:
    """Ask it for one token. Raises `TwotierError` if none comes."""
    body = json.dumps(readiness_body(model)).encode()
    limits = Deadlines(5.0, ASK_SECONDS_MAX, ASK_SECONDS_MAX, ASK_SECONDS_MAX)
    async with Transport() as transport:
        asked = OpenAICompatible(transport, base_url=endpoint.base_url)
        reply = await asked.ask(Ask(body, stream=False, deadlines=limits))
        try:
            await all_of(reply)
        finally:
            await reply.close()
