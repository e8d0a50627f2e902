"""Fees of the worker's watchers and tools, booked by main over its private socket."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from twotier.agent.model import MainClient
from twotier.domain.fee import Use
from twotier.errors import DeadlineError, FeeError, StreamBrokenError, UpstreamError

PATH = "/control/fees"


@dataclass(frozen=True, slots=True)
class MainFees:
    """The ledger, as the worker reaches it."""

    client: MainClient

    async def hold(self, use: Use) -> None:
        """Hold the worst case. Raises `FeeError`, and `NotRunningError` when main has gone."""
        await self._order({**asdict(use), "used": None})

    async def settle(self, use: Use, count: int) -> None:
        """It came to so many units. Raises as `hold` does."""
        await self._order({**asdict(use), "used": count})

    async def _order(self, body: dict[str, object]) -> None:
        try:
            await self.client.order(PATH, body)
        except (UpstreamError, DeadlineError, StreamBrokenError) as exc:
            raise FeeError(exc.message) from exc
