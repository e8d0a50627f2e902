"""The keeper's own question to its engine: one generated token, and a row of kind `probe`.

It goes past dispatch, because readiness would wait for itself. It costs nothing, since only own
engines are kept, but it is seen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.domain.message import Observed
from twotier.domain.money import FREE, NO_USAGE, Attempt, Outcome, Settled, Settlement
from twotier.domain.tier import TierSpec
from twotier.engines.base import readiness_body
from twotier.errors import TwotierError
from twotier.ledger.book import Book
from twotier.protocols import OUTBOUND
from twotier.providers.base import Ask, Deadlines, Provider, all_of

PROBE_SECONDS = 600.0  # the keeper holds the real limit; this one only ends what it forgot


@dataclass(frozen=True, slots=True)
class Probe:
    """Makes the `ready` of a keeper."""

    book: Book
    clock: Clock
    new_id: Callable[[], str]

    def of(
        self, spec: TierSpec, make: Callable[[Endpoint], Provider]
    ) -> Callable[[Endpoint], Awaitable[None]]:
        """An ask that returns once a token was generated, and raises `TwotierError` else."""
        body = msgspec.json.encode(readiness_body(spec.model_upstream))
        limits = Deadlines(spec.connect_seconds, PROBE_SECONDS, PROBE_SECONDS, PROBE_SECONDS)

        async def ready(endpoint: Endpoint) -> None:
            began = self.clock.monotonic()
            provider = make(endpoint)
            try:
                reply = await provider.ask(Ask(body, stream=False, deadlines=limits))
                try:
                    answer = await all_of(reply)
                finally:
                    await reply.close()
                seen = OUTBOUND[provider.dialect].observe_whole(answer)
            except TwotierError as exc:
                self.note(spec, Outcome.ERROR, began=began, error=exc.noted)
                raise
            self.note(spec, Outcome.OK, began=began, seen=seen)

        return ready

    def note(
        self,
        spec: TierSpec,
        outcome: Outcome,
        *,
        began: float,
        seen: Observed | None = None,
        error: str = "",
    ) -> None:
        """One row of kind `probe`."""
        id_ = self.new_id()
        attempt = Attempt(
            id=id_,
            request_id=id_,
            tier=spec.name,
            provider=spec.provider,
            model=spec.model,
            model_asked=spec.name,
            rule="probe",
            price=FREE,
            reserved_microusd=0,
            kind="probe",
        )
        seconds = self.clock.monotonic() - began
        self.book.record(
            attempt,
            Settlement(
                Settled.SETTLED,
                outcome,
                0,
                usage=(seen and seen.usage) or NO_USAGE,
                model_served=seen.model if seen else "",
                error=error,
                total_seconds=seconds,
            ),
        )
