"""Asks each tier of a configuration what can be known for nothing, before anything runs.

No token is generated and no model is loaded: a server says what it has, an API counts the tokens of
one word (which is free and needs the key), and of a model on this disk its headers say what it will
take. What costs something, the person asks for: `twotier ask --model frontier`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

from twotier.build.programs import engine_for, program_of
from twotier.build.sizing import size
from twotier.cli.finding import Level
from twotier.config.load import Loaded
from twotier.config.paths import models
from twotier.config.schema import TierConfig
from twotier.config.secrets import how_to_set, resolve
from twotier.config.starter import FRONTIER_KEY
from twotier.domain.urls import shown_url
from twotier.engines import asked
from twotier.errors import ConfigError, EngineError
from twotier.models import discover, starter
from twotier.models.verdict import gigabytes

ANTHROPIC = "https://api.anthropic.com"
ANTHROPIC_VERSION = "2023-06-01"
SECONDS_MAX = 4.0
REFUSED = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Probed:
    """What is known of a tier. `mend` is the command that makes it right, if one does."""

    tier: str
    level: Level
    text: str
    mend: str = ""


def probe(loaded: Loaded) -> list[Probed]:
    """Every tier, side by side; at most some seconds in all."""
    return asyncio.run(probe_all(loaded))


async def probe_all(loaded: Loaded) -> list[Probed]:
    """The same, for who has a loop."""
    async with asyncio.TaskGroup() as group:
        looks = [
            group.create_task(probe_one(name, tier, loaded=loaded))
            for name, tier in loaded.config.tiers.items()
        ]
    return [look.result() for look in looks]


async def probe_one(name: str, tier: TierConfig, *, loaded: Loaded) -> Probed:
    """What kind of tier it is decides how it is asked."""
    if tier.engine is None:
        return await api(name, tier, loaded=loaded)
    if tier.is_kept:
        return await asyncio.to_thread(kept, name, tier, loaded=loaded)
    if tier.command:
        return Probed(name, Level.OK, "your own command, started by `twotier up`")
    return await server(name, tier)


async def api(name: str, tier: TierConfig, *, loaded: Loaded) -> Probed:
    """Whether the key is there and taken. The count of one word's tokens costs nothing."""
    place = tier.key or FRONTIER_KEY
    try:
        key = resolve(place, home=loaded.home)
    except ConfigError as exc:
        return Probed(name, Level.BAD, exc.message)
    if key is None:
        mend = how_to_set(place, home=loaded.home)
        return Probed(name, Level.WARN, f"{tier.model} waits for its key at {place}", mend)
    root = tier.base_url or ANTHROPIC
    headers = {"x-api-key": key, "anthropic-version": ANTHROPIC_VERSION}
    body = {"model": tier.model, "messages": [{"role": "user", "content": "Hello"}]}
    limit = aiohttp.ClientTimeout(total=SECONDS_MAX)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, trust_env=True) as session,
            session.post(
                f"{root.rstrip('/')}/v1/messages/count_tokens", json=body, headers=headers
            ) as response,
        ):
            return judged(name, tier, place=place, status=response.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        why = str(exc) or type(exc).__name__
        text = f"{shown_url(root)} cannot be reached now ({why}), so its key is not tried"
        return Probed(name, Level.WARN, text, "twotier doctor")


def judged(name: str, tier: TierConfig, *, place: str, status: int) -> Probed:
    """What the API's answer says of the key and the model."""
    if status in REFUSED:
        return Probed(name, Level.BAD, f"the key at {place} is refused ({status})")
    if status == 404:
        return Probed(name, Level.BAD, f"the key is taken, but there is no model {tier.model}")
    if status != 200:
        return Probed(name, Level.WARN, f"{tier.model} answered {status}; the key was not judged")
    return Probed(name, Level.OK, f"{tier.model}: the key is taken; nothing was spent")


def kept(name: str, tier: TierConfig, *, loaded: Loaded) -> Probed:
    """What `twotier up` will start: whether its files are here, and what it will take."""
    if tier.model == "starter" and starter.present(models()) is None:
        size_text = f"{starter.STARTER.size_bytes / 1e6:.0f} MB"
        text = f"the starter model; the first `twotier up` fetches it ({size_text})"
        return Probed(name, Level.OK, text)
    traits = engine_for(tier).traits
    try:
        sized = size(name, tier, loaded=loaded, traits=traits, writes=False)
    except EngineError as exc:
        return Probed(name, Level.BAD, exc.message, "twotier models list")
    need = sized.predicted
    if need is None:
        return Probed(name, Level.WARN, f"it is on this disk; its size in memory: {sized.why}")
    text = f"{sized.plan.window_tokens:,} tokens of window in {gigabytes(need.total_bytes)}"
    try:
        program_of(tier, loaded)
    except EngineError:
        text += f"; the first `twotier up` makes its engine ({tier.engine})"
    if need.total_bytes + sized.headroom_bytes > sized.room.memory_bytes:
        return Probed(name, Level.BAD, f"does not fit: {text}", f"twotier models fit {name}")
    return Probed(name, Level.OK, text)


async def server(name: str, tier: TierConfig) -> Probed:
    """Whether a server that somebody else runs answers, has the model, and holds it."""
    root = (tier.base_url or "").rstrip("/").removesuffix("/v1")
    shown = shown_url(root)
    found = await discover.server_at(root, seconds=SECONDS_MAX)
    if found is None:
        text = f"nothing answers at {shown} now; start it, and it is used"
        return Probed(name, Level.WARN, text, f"curl -sS {shown}/v1/models")
    if found and tier.model not in found:
        text = f"{shown} has no {tier.model}; it has {', '.join(found[:3])}"
        return Probed(name, Level.BAD, text, "twotier config path")
    held = await asyncio.to_thread(asked.held, engine_for(tier).traits, root)
    names = {one.model for one in held or ()}
    loaded = "loaded" if names & {tier.model, f"{tier.model}:latest"} else "loads when it is asked"
    said = f", {loaded}" if held is not None else ""
    return Probed(name, Level.OK, f"{tier.model} at {shown}{said}")
