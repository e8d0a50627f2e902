"""Has main load a model that stands by, and the one before it again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from twotier.agent.model import refusal
from twotier.errors import NotRunningError, TierUnavailableError

USE_URL = "http://main/control/models/use"
PLACES_URL = "http://main/control/models/places"
LOAD_SECONDS_MAX = 1_800.0  # a large model loads for minutes, after requests have ended


class Loader:
    """Asks main, over its private socket; a connection for each question, for there are few."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def loaded(self, tier: str) -> str:
        """The tier that has the place of this one now; empty where it shares none."""
        told = await self._ask("GET", PLACES_URL)
        places = [place for place in told["places"] if tier in place["tiers"]]
        return str(places[0]["loaded"]) if places else ""

    async def use(self, tier: str) -> None:
        """Have it loaded; returns once it answers. Raises `TierUnavailableError`."""
        await self._ask("POST", USE_URL, body={"tier": tier})

    async def _ask(self, method: str, url: str, *, body: dict[str, str] | None = None) -> Any:
        connector = aiohttp.UnixConnector(str(self._socket))
        try:
            async with (
                asyncio.timeout(LOAD_SECONDS_MAX),
                aiohttp.ClientSession(connector=connector) as session,
                session.request(method, url, json=body) as reply,
            ):
                raw = await reply.read()
                if reply.status >= 400:
                    raise TierUnavailableError(refusal(reply.status, raw, headers={}).message)
                return await reply.json()
        except TimeoutError as exc:
            raise TierUnavailableError(f"no model within {LOAD_SECONDS_MAX:.0f} s") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise NotRunningError(f"main does not answer on {self._socket}: {exc}") from exc
