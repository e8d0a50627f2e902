"""A model server that answers when it is told to, and remembers who was in it at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from tests.fakes.openai_server import FakeOpenAI, Quirk, Raw


class Gate(FakeOpenAI):
    """Each request waits inside until `let_go`, the oldest first; `came` has their texts in order.

    `inside_max` is the most that were in it together, `gone` how many have left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.came: list[str] = []
        self.inside_max = 0
        self.gone = 0
        self._inside: list[asyncio.Event] = []

    @property
    def inside(self) -> int:
        """Requests that wait in it now."""
        return len(self._inside)

    def let_go(self) -> None:
        """The oldest request gets its answer."""
        self._loop.call_soon_threadsafe(self._inside[0].set)

    async def _behave(
        self, request: web.Request, *, body: dict[str, Any], quirk: Quirk | Raw | None
    ) -> web.StreamResponse:
        self.came.append(body["messages"][-1]["content"])
        gate = asyncio.Event()
        self._inside.append(gate)
        self.inside_max = max(self.inside_max, self.inside)
        try:
            await gate.wait()
        finally:
            self._inside.remove(gate)
            self.gone += 1
        return await super()._behave(request, body=body, quirk=quirk)
