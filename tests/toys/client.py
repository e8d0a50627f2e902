"""How tests ask a kept server: one plain HTTP call, its failures as the product's errors."""

from __future__ import annotations

from typing import Any

import aiohttp

from twotier.domain.endpoint import Endpoint
from twotier.engines.base import readiness_body
from twotier.errors import TierUnavailableError, UpstreamError
from twotier.supervisor.probe import Ask


async def chat(endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any]:
    """One answer, whole. No limit of its own: the caller has one."""
    url = f"{endpoint.base_url}/v1/chat/completions"
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=body) as response,
        ):
            if response.status != 200:
                text = (await response.text())[:300]
                raise UpstreamError(text, upstream_status=response.status)
            found: dict[str, Any] = await response.json()
            return found
    except aiohttp.ClientError as exc:
        raise TierUnavailableError(f"{type(exc).__name__}: {exc}") from exc


def one_token(model_upstream: str = "toy") -> Ask:
    """The readiness check of a keeper in a test."""

    async def ask(endpoint: Endpoint) -> None:
        await chat(endpoint, readiness_body(model_upstream))

    return ask
