"""What comes round beside the jobs: results that could not be delivered."""

from __future__ import annotations

import logging

from twotier.domain.clock import Clock
from twotier.errors import DeliveryError
from twotier.jobs.delivery import Delivery
from twotier.jobs.results import ResultStore

LOG = logging.getLogger("twotier.jobs")

OUTBOX_SECONDS = 5.0


class Rounds:
    """Goes round until it is cancelled."""

    def __init__(self, results: ResultStore, *, delivery: Delivery, clock: Clock) -> None:
        self._results = results
        self._delivery = delivery
        self._clock = clock

    async def run(self) -> None:
        """Never returns."""
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
