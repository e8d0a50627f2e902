"""What comes round beside the jobs: results that could not be delivered, and old rows."""

from __future__ import annotations

import asyncio
import logging

from twotier.domain.clock import Clock
from twotier.errors import DeliveryError
from twotier.jobs.delivery import Delivery
from twotier.jobs.results import ResultStore
from twotier.jobs.store import RunStore

LOG = logging.getLogger("twotier.jobs")

OUTBOX_SECONDS = 5.0
RETENTION_SECONDS = 86_400.0


class Rounds:
    """Goes round until it is cancelled."""

    def __init__(
        self, store: RunStore, *, results: ResultStore, delivery: Delivery, clock: Clock
    ) -> None:
        self._store = store
        self._results = results
        self._delivery = delivery
        self._clock = clock

    async def run(self) -> None:
        """Everything that comes round, each in its own time."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver_again())
            group.create_task(self._forget())

    async def _deliver_again(self) -> None:
        while True:
            for letter in await self._results.due_letters():
                try:
                    place = await self._delivery.deliver(letter)
                except DeliveryError as exc:
                    await self._results.undelivered(letter, [], because=exc.message)
                else:
                    await self._results.delivered_later(letter, place)
                    LOG.info("delivered late", extra={"job": letter.job, "run": letter.run})
            await self._clock.sleep(OUTBOX_SECONDS)

    async def _forget(self) -> None:
        while True:
            await self._clock.sleep(RETENTION_SECONDS)
            await self._store.forget_old()
