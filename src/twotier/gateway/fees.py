"""Books what the worker pays beside tokens: its worst case is held before, what it came to after.

One row of the ledger for each use, by the same book and the same budgets as every request. A use
whose worker died in between stays held until its job asks for the next one, or until we stop; then
it is charged in full, because nobody knows what was spent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.clock import Clock
from twotier.domain.message import Usage
from twotier.domain.money import Attempt, Budget, Outcome, Settled, Settlement
from twotier.domain.price import Price
from twotier.errors import PriceUnknownError, RequestError
from twotier.ledger.book import Book
from twotier.ledger.prices import UnitPrice

COUNT_MAX = 1_000_000
SCHEMA_VERSION = 1


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A use as the worker tells it. `used` is None before, and how many units it came to after."""

    key: str
    job: str
    provider: str
    unit: str
    count: int
    used: int | None = None


@dataclass(slots=True)
class FeesControl:
    """Holds and settles, under the `budgets` of now. `price` is that of a provider's unit on a day,
    None where nobody knows.
    """

    book: Book
    budgets: Callable[[], Sequence[Budget]]
    price: Callable[[str, str, date], UnitPrice | None]
    clock: Clock
    _open: dict[str, tuple[Attempt, int]] = field(default_factory=dict)  # with micro-dollars each
    _settled: list[str] = field(default_factory=list)

    async def __call__(self, request: HttpRequest) -> Response:
        """Hold a use, or settle it."""
        try:
            asked = msgspec.json.decode(await request.body(), type=Asked)
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the body is not a use: {exc}") from exc
        if not (0 < asked.count <= COUNT_MAX and asked.key):
            raise RequestError(f"a use has a key and a count from 1 to {COUNT_MAX:,}")
        if asked.used is None:
            await self._hold(asked)
        else:
            await self._settle(asked.key, used=min(max(asked.used, 0), asked.count))
        return JSONResponse({"schema_version": SCHEMA_VERSION})

    async def _hold(self, asked: Asked) -> None:
        if asked.key in self._open or asked.key in self._settled:
            return
        today = self.clock.now().date()
        unit = self.price(asked.provider, asked.unit, today)
        if unit is None:
            raise PriceUnknownError(
                f"nobody knows what a {asked.unit} of {asked.provider} costs; set"
                f' "{asked.provider}/{asked.unit}" in [unit_prices]'
            )
        await self._close_old(asked)
        attempt = attempt_of(asked, unit)
        await self.book.reserve(attempt, self.budgets())
        self._open[asked.key] = (attempt, unit.microusd)

    async def _close_old(self, asked: Asked) -> None:
        """A job uses a unit once at a time: what it still has open was cut off."""
        for key, (attempt, each) in list(self._open.items()):
            if (attempt.job, attempt.provider, attempt.model) == (
                asked.job,
                asked.provider,
                asked.unit,
            ):
                await self._book(key, used=attempt.reserved_microusd // max(each, 1), cut_off=True)

    async def _settle(self, key: str, *, used: int) -> None:
        if key in self._settled:
            return
        if key not in self._open:
            raise RequestError(
                f"the use {key} is not held; what was held before is charged in full"
            )
        await self._book(key, used=used)

    async def _book(self, key: str, *, used: int, cut_off: bool = False) -> None:
        attempt, each = self._open[key]
        cost = used * each
        await self.book.settle(
            attempt.id,
            Settlement(
                Settled.UNKNOWN if cut_off else Settled.SETTLED,
                Outcome.ERROR if cut_off else Outcome.OK,
                cost,
                usage=Usage(uses=((attempt.model, used),)),
                error="its end was not seen; charged in full" if cut_off else "",
                fees_microusd=cost,
            ),
        )
        del self._open[key]
        self._settled = [*self._settled, key][-1_000:]


def attempt_of(asked: Asked, unit: UnitPrice) -> Attempt:
    """The row of a use: the provider stands where a tier does, the unit where a model does."""
    fees = ((asked.unit, unit.microusd),)
    price = Price(0, 0, 0, 0, 0, since=unit.since, source=unit.source, fees=fees)
    return Attempt(
        id=f"fee:{asked.key}",
        request_id=f"fee:{asked.key}",
        tier=asked.provider,
        provider=asked.provider,
        model=asked.unit,
        model_asked=asked.unit,
        rule="fee",
        price=price,
        reserved_microusd=asked.count * unit.microusd,
        kind="fee",
        client="worker",
        job=asked.job,
        background=True,
    )
