"""How tests ask a kept server: one call through the product's own provider, errors and all."""

from __future__ import annotations

import json
from typing import Any

from twotier.domain.endpoint import Endpoint
from twotier.engines.base import readiness_body
from twotier.providers.base import Ask, Deadlines, all_of
from twotier.providers.http import Transport
from twotier.providers.openai_compatible import OpenAICompatible
from twotier.supervisor import probe

LIMITS = Deadlines(5.0, 600.0, 600.0, 600.0)  # the caller has the real ones


async def chat(endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any]:
    """One answer, whole. A cancelled one leaves no connection behind."""
    ask = Ask(json.dumps(body).encode(), stream=False, deadlines=LIMITS)
    async with Transport() as transport:
        reply = await OpenAICompatible(transport, base_url=endpoint.base_url).ask(ask)
        try:
            found: dict[str, Any] = json.loads(await all_of(reply))
        finally:
            await reply.close()
    return found


def one_token(model_upstream: str = "toy") -> probe.Ask:
    """The readiness check of a keeper in a test."""

    async def ask(endpoint: Endpoint) -> None:
        await chat(endpoint, readiness_body(model_upstream))

    return ask
