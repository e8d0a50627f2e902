"""Thresholds that the record speaks for, as plain values: for `twotier rules tune`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.clock import Clock
from twotier.domain.tier import TierSpec
from twotier.errors import RequestError
from twotier.ledger.book import Book
from twotier.ledger.cost import cost
from twotier.ledger.done_here import Here, judged, waited_for
from twotier.ledger.rows import milliseconds
from twotier.router.tuning import SAMPLES_MIN, Sample, tuned


class _Wanted(msgspec.Struct):
    days: float


@dataclass(frozen=True, slots=True)
class TuningPage:
    """Looks for better thresholds, and changes none. `settings` are the patience in seconds and
    what a right answer is worth, in micro-dollars.
    """

    book: Book
    tiers: Sequence[TierSpec]
    settings: tuple[float, int]
    clock: Clock

    async def __call__(self, request: HttpRequest) -> Response:
        """Raises `RequestError` and `LedgerError`."""
        try:
            wanted = msgspec.json.decode(await request.body(), type=_Wanted)
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the body is not {{'days': N}}: {exc}") from exc
        until = milliseconds(self.clock.now()) + 1
        span = (until - round(wanted.days * 86_400_000), until)
        local = frozenset(tier.name for tier in self.tiers if tier.local)
        await self.book.flush()

        def read(connection: sa.Connection) -> tuple[list[Here], list[Here]]:
            return (
                waited_for(connection, span, local=local),
                judged(connection, span, local=local),
            )

        waited, ended = await self.book.read(read)
        patience, _ = self.settings
        return JSONResponse(
            {
                "needed": SAMPLES_MIN,
                "patience": self.told(
                    waited, lambda one: (one.seconds, one.left), current=patience
                ),
                "prompt_tokens_over": self.told(
                    ended, lambda one: (float(one.prompt_tokens), one.bad), current=None
                ),
            }
        )

    def told(
        self,
        done: Sequence[Here],
        look: Callable[[Here], tuple[float, bool]],
        *,
        current: float | None,
    ) -> dict[str, Any]:
        """What one threshold would be."""
        price = next((tier.price for tier in self.tiers if not tier.local and tier.price), None)
        if price is None:
            return {"samples": len(done), "because": "there is no frontier tier with a price"}
        samples = [Sample(*look(one), cost(one.usage, price)) for one in done]
        found = tuned(samples, current=current, value_microusd=self.settings[1])
        if found is None:
            return {"samples": len(done)}
        return {"samples": len(done), **msgspec.structs.asdict(found)}
