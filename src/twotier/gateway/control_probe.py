"""`POST /control/probe`: probes a tier and tells how far it is, one JSON object a line.

One probe at a time for a tier, because two would measure each other. It ends when its caller
leaves or the process stops, and then nothing of it is kept.

A page does not stay to listen: what it has begun goes on by itself (`POST /control/probe/begin`),
and `GET /control/probe` tells how far every such probe is, or how the last one ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

from twotier import errors
from twotier.dispatch import Dispatch
from twotier.domain.clock import Clock
from twotier.gateway.findings import probe_state, row_told
from twotier.learned.tiers import Learned
from twotier.ledger.findings import ProbeRow
from twotier.matrix.ask import ASK_SECONDS_MAX, FULL_SECONDS_MAX, Asker
from twotier.matrix.probe import Order, Probe, Tally

log = logging.getLogger("twotier.gateway")
REPEAT_MAX = 100
SCHEMA_VERSION = 1


@dataclass(slots=True)
class Begun:
    """A probe that nobody stays with: what it has told so far. `failed` says why it has no end."""

    order: Order
    began_at: str
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: bool = False
    failed: str = ""
    seconds: float = 0.0

    def hear(self, told: dict[str, Any]) -> None:
        """One line of it."""
        if "row" in told:
            self.rows[told["row"]] = told
        elif "error" in told:
            self.failed = told["error"]["message"]
        else:
            self.seconds = told["seconds"]

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "tier": self.order.tier,
            "began_at": self.began_at,
            "rows": list(self.rows.values()),
            "ended": self.ended,
            "failed": self.failed,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class Probing:
    """The paths. `closing` is set when the process stops. `run` must be running for what is begun
    and left.
    """

    dispatch: Dispatch
    learned: Learned
    clock: Clock
    closing: asyncio.Event
    running: set[str] = field(default_factory=set)
    begun: dict[str, Begun] = field(default_factory=dict)
    _orders: asyncio.Queue[Begun] = field(default_factory=asyncio.Queue)

    async def __call__(self, request: HttpRequest) -> Response:
        """Begin; errors before the first question are ordinary ones."""
        order = self.order(await request.body())
        with self.alone(order.tier):
            return StreamingResponse(self.lines(order), media_type="application/x-ndjson")

    def order(self, body: bytes) -> Order:
        """What to do, of a tier that there is. Raises `RequestError` and `UnknownModelError`."""
        order = order_of(body)
        if order.tier not in self.dispatch.tiers:
            known = ", ".join(self.dispatch.tiers)
            raise errors.UnknownModelError(f"there is no tier {order.tier!r}; there are: {known}")
        return order

    async def left(self, request: HttpRequest) -> Response:
        """Begin one that goes on by itself."""
        order = self.order(await request.body())
        before = self.begun.get(order.tier)
        if order.tier in self.running or (before is not None and not before.ended):
            raise errors.UnderWayError(f"{order.tier} is being probed already; wait for its end")
        begun = self.begun[order.tier] = Begun(order, self.clock.now().isoformat())
        self._orders.put_nowait(begun)
        return JSONResponse({"schema_version": SCHEMA_VERSION, **begun.told()}, 202)

    async def listed(self, _: HttpRequest) -> Response:
        """Every such probe of this life, one for each tier."""
        told = [one.told() for one in self.begun.values()]
        return JSONResponse({"schema_version": SCHEMA_VERSION, "probes": told})

    async def run(self) -> None:
        """Those that were begun, one after another, until cancelled."""
        while True:
            begun = await self._orders.get()
            try:
                async for told in self.lines(begun.order):
                    begun.hear(msgspec.json.decode(told))
            except Exception:  # top of a task: what is wrong with a probe must not end the program
                log.exception("a probe broke", extra={"tier": begun.order.tier})
                begun.failed = "something in twotier is broken; its log says more"
            finally:
                begun.ended = True

    @contextmanager
    def alone(self, tier: str) -> Generator[None]:
        """One at a time for a tier. Raises `UnderWayError`."""
        if tier in self.running:
            raise errors.UnderWayError(f"{tier} is being probed already; wait for its end")
        self.running.add(tier)
        try:
            yield
        finally:
            self.running.discard(tier)

    async def lines(self, order: Order) -> AsyncGenerator[bytes]:
        """How far it is, and at the end what it found."""
        began = self.clock.monotonic()
        try:
            # Anew, because another one may have begun between the answer's head and here.
            with self.alone(order.tier):
                probe = await self.probe(order)
                steps = probe.run()  # between two questions it holds nothing, so nobody ends it
                while (tally := await self.next(steps)) is not None:
                    yield line({**row_told(probe.row(tally)), "of": tally.of})
                await self.learned.verdicts.put(order.tier, probe.rows())
            found = probe_state(self.learned.verdicts.standings[order.tier])
            yield line({"probe": found, "seconds": round(self.clock.monotonic() - began, 1)})
        except errors.TwotierError as exc:
            yield line({"error": {"message": exc.message, "code": exc.code}})

    async def probe(self, order: Order) -> Probe:
        """The probe of an order, with the version of the server as it is now."""
        version = await self.learned.renew(order.tier)
        standing = self.learned.verdicts.standings[order.tier]
        at_ms = int(self.clock.now().timestamp() * 1000)
        spec = self.dispatch.tiers[order.tier].spec
        base = ProbeRow(
            probe_id=self.dispatch.new_id(),
            row="",
            created_ms=at_ms,
            tier=order.tier,
            model=spec.ref,
            engine=standing.engine,
            version=version,
            number=0,
            passed=0,
            tries=0,
        )
        asker = Asker(
            self.dispatch,
            self.learned.verdicts,
            self.clock,
            order.tier,
            FULL_SECONDS_MAX if order.full else ASK_SECONDS_MAX,
        )
        return Probe(asker, order, base, window_tokens=spec.window_tokens, seed=at_ms)

    async def next(self, steps: AsyncGenerator[Tally]) -> Tally | None:
        """The next step, None at the end. Raises `StoppingError` when the process stops."""
        async with asyncio.TaskGroup() as group:
            coming = group.create_task(one_of(steps))
            closing = group.create_task(self.closing.wait())
            await asyncio.wait((coming, closing), return_when=asyncio.FIRST_COMPLETED)
            closing.cancel()
            if not coming.done():
                coming.cancel()
        if coming.cancelled():
            raise errors.StoppingError("twotier is being stopped; probe again when it runs")
        found = coming.result()
        if isinstance(found, errors.TwotierError):
            raise found
        return found


async def one_of(steps: AsyncGenerator[Tally]) -> Tally | errors.TwotierError | None:
    """The next one, None at the end; an error is handed over, for a group would wrap it."""
    try:
        return await anext(steps, None)
    except errors.TwotierError as exc:
        return exc


def order_of(body: bytes) -> Order:
    """What to do. Raises `RequestError`."""
    try:
        order = msgspec.json.decode(body, type=Order)
    except msgspec.MsgspecError as exc:
        raise errors.RequestError(f"the body is no order for a probe: {exc}") from exc
    if not 1 <= order.repeat <= REPEAT_MAX:
        raise errors.RequestError(f"repeat must be from 1 to {REPEAT_MAX}")
    return order


def line(value: dict[str, Any]) -> bytes:
    """One line."""
    return msgspec.json.encode(value) + b"\n"
