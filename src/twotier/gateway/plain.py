"""The routes that ask no model: the list of models, the sign of life, and what all routes are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from twotier.gateway.asgi import JSON, Call, respond
from twotier.router.names import Names

DESCRIPTION = "/openapi.json"
FILE = Path(__file__).with_name("openapi.json")


@dataclass(frozen=True, slots=True)
class ModelList:
    """`GET /v1/models`, in the shape the OpenAI and Anthropic SDKs both parse."""

    names: Names
    created: int

    async def __call__(self, call: Call) -> None:
        """Every name a client may use: auto, tiers, aliases and full refs."""
        refs = tuple(tier.ref for tier in self.names.tiers)
        rows = [
            {
                "id": name,
                "object": "model",
                "type": "model",
                "created": self.created,
                "display_name": name,
                "owned_by": "twotier",
            }
            for name in dict.fromkeys((*self.names.known(), *refs))
        ]
        ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"], "has_more": False}
        body = msgspec.json.encode({"object": "list", "data": rows, **ends})
        await respond(call.send, 200, body=body, headers=[JSON])


async def healthz(call: Call) -> None:
    """`GET /healthz`: this process answers. What the tiers do is told by `twotier status`."""
    await respond(call.send, 200, body=b'{"status":"ok"}', headers=[JSON])


@cache
def description() -> bytes:
    """The OpenAPI document, without the blanks that make its file readable."""
    return msgspec.json.format(FILE.read_bytes(), indent=-1)


async def described(call: Call) -> None:
    """`GET /openapi.json`: every path for clients.

    It is the same wherever this version runs and holds nothing of this machine, so it needs no key.
    """
    await respond(call.send, 200, body=description(), headers=[JSON])
