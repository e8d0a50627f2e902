"""What the command line and the worker call, on the private socket only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from twotier.dispatch import Dispatch
from twotier.errors import RequestError, TwotierError
from twotier.gateway.alerts import AlertControl
from twotier.gateway.asking import Asking
from twotier.gateway.clients import Clients
from twotier.gateway.control_probe import Probing
from twotier.gateway.decisions import DecisionControl
from twotier.gateway.engine_view import EngineView
from twotier.gateway.engines import EngineControl
from twotier.gateway.fees import FeesControl
from twotier.gateway.job_files import JobFiles
from twotier.gateway.limits import LimitControl
from twotier.gateway.outside import OutsidePage
from twotier.gateway.places import PlaceControl
from twotier.gateway.records import RecordControl
from twotier.gateway.replay import ReplayPage
from twotier.gateway.savings import SavingsPage
from twotier.gateway.setup import Setup
from twotier.gateway.status import Status, usd_text
from twotier.gateway.tuning import TuningPage
from twotier.ledger.book import Book
from twotier.ledger.spending import SPEND_BY, SpendRow
from twotier.protocols import INBOUND

SCHEMA_VERSION = 1
ALIVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Control:
    """The control paths. `stop` begins the end; `closing` is set when the sockets close."""

    status: Status
    dispatch: Dispatch
    book: Book
    stop: Callable[[], None]
    closing: asyncio.Event
    clients: Clients
    engines: EngineControl
    places: PlaceControl
    probing: Probing
    alerts: AlertControl
    savings: SavingsPage
    outside: OutsidePage
    fees: FeesControl
    replay: ReplayPage
    limits: LimitControl
    records: RecordControl
    tuning: TuningPage
    decisions: DecisionControl
    job_files: JobFiles
    view: EngineView
    setup: Setup
    asking: Asking

    def app(self, *more: Route) -> Starlette:
        """As an ASGI application; `more` are the routes of other parts."""
        return Starlette(
            routes=[
                Route("/control/status", told(self.show), methods=["GET"]),
                Route("/control/alive", told(self.alive), methods=["GET"]),
                Route("/control/spend", told(self.spend), methods=["GET"]),
                Route("/control/savings", told(self.saved), methods=["GET"]),
                Route("/control/savings/quiet", told(self.quiet), methods=["GET"]),
                Route("/control/spend/confirm", told(self.confirm), methods=["POST"]),
                Route("/control/reconcile", told(self.outside.reconcile), methods=["GET"]),
                Route("/control/bills", told(self.outside.take), methods=["POST"]),
                Route("/control/decisions", told(self.decisions.listed), methods=["GET"]),
                Route("/control/decisions/{request}", told(self.decisions.shown), methods=["GET"]),
                Route("/control/route", told(self.asking.explaining), methods=["POST"]),
                Route("/control/tune", told(self.tuning), methods=["POST"]),
                Route("/control/replay", told(self.replay), methods=["POST"]),
                Route("/control/probe", told(self.probing), methods=["POST"]),
                Route("/control/probe", told(self.probing.listed), methods=["GET"]),
                Route("/control/probe/begin", told(self.probing.left), methods=["POST"]),
                Route("/control/stop", told(self.begin_stop), methods=["POST"]),
                Route("/control/budgets/reload", told(self.limits), methods=["POST"]),
                Route("/control/budgets/settle-clock", told(self.settle_clock), methods=["POST"]),
                Route("/control/keys/reload", told(self.reload_keys), methods=["POST"]),
                Route("/control/models/places", told(self.places.show), methods=["GET"]),
                Route("/control/models/use", told(self.places.use), methods=["POST"]),
                Route("/control/models/release", told(self.places.release), methods=["POST"]),
                Route("/control/batches/release", told(self.release), methods=["POST"]),
                Route("/control/fees", told(self.fees), methods=["POST"]),
                Route("/control/verdicts", told(self.records.judged), methods=["POST"]),
                Route("/control/records", told(self.records.show), methods=["GET"]),
                Route("/control/records/forget", told(self.records.forget), methods=["POST"]),
                Route("/control/alerts/test", told(self.alerts.test), methods=["POST"]),
                Route("/control/alerts/reload", told(self.alerts.renew), methods=["POST"]),
                *self.of_job_files(),
                *self.of_setup(),
                Route("/control/engine", told(self.engines.listed), methods=["GET"]),
                Route(
                    "/control/engine/{tier}/{verb}", told(self.engines.ordered), methods=["POST"]
                ),
                *more,
            ]
        )

    def of_setup(self) -> list[Route]:
        """What pages show of this machine and who may ask it, and one question of theirs."""
        setup, keys, view = self.setup, self.setup.keys, self.view
        return [
            Route("/control/ask", told(self.asking), methods=["POST"]),
            Route("/control/channels", told(setup.ways), methods=["GET"]),
            Route("/control/config", told(setup.configured), methods=["GET"]),
            Route("/control/doctor", told(setup.examined), methods=["GET"]),
            Route("/control/engine/{tier}/log", told(view.log), methods=["GET"]),
            Route("/control/keys", told(keys.listed), methods=["GET"]),
            Route("/control/keys/add", told(keys.added), methods=["POST"]),
            Route("/control/keys/change", told(keys.changed), methods=["POST"]),
            Route("/control/keys/remove", told(keys.removed), methods=["POST"]),
            Route("/control/memory", told(view.memory), methods=["GET"]),
        ]

    def of_job_files(self) -> list[Route]:
        """The paths of job files."""
        files, drafts = self.job_files, "/control/jobs/drafts"
        return [
            Route("/control/templates", told(files.templates), methods=["GET"]),
            Route("/control/jobs/{name}/text", told(files.text), methods=["GET"]),
            Route(drafts, told(files.make), methods=["POST"]),
            Route(f"{drafts}/{{id}}", told(files.show), methods=["GET"]),
            Route(f"{drafts}/{{id}}/write", told(files.write), methods=["POST"]),
        ]

    async def show(self, _: HttpRequest) -> Response:
        """The state of everything."""
        return JSONResponse({"schema_version": SCHEMA_VERSION, **await self.status.told()})

    async def begin_stop(self, _: HttpRequest) -> Response:
        """Begin to stop; the answer comes before the end."""
        self.stop()
        return JSONResponse({"schema_version": SCHEMA_VERSION, "stopping": True}, 202)

    async def settle_clock(self, _: HttpRequest) -> Response:
        """A person says that the clock ran ahead, and is right now."""
        await self.book.settle_clock()
        budgets = await self.status.budgets_told()
        return JSONResponse({"schema_version": SCHEMA_VERSION, "budgets": budgets})

    async def reload_keys(self, _: HttpRequest) -> Response:
        """`twotier key` has changed the key file: what it says now is in force with the answer."""
        self.clients.reload()
        return JSONResponse({"schema_version": SCHEMA_VERSION, "names": self.clients.named})

    async def alive(self, _: HttpRequest) -> Response:
        """A response that lasts as long as this process: its end is how the worker hears of it."""

        async def beats() -> AsyncGenerator[bytes]:
            while not self.closing.is_set():
                yield b"alive\n"
                try:
                    async with asyncio.timeout(ALIVE_SECONDS):
                        await self.closing.wait()
                except TimeoutError:
                    continue

        return StreamingResponse(beats(), media_type="text/plain")

    async def release(self, request: HttpRequest) -> Response:
        """A run is over: what still waits for it in a batch is cancelled."""
        try:
            raw = msgspec.json.decode(await request.body(), type=dict[str, str])
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the body is not {{'run': ID}}: {exc}") from exc
        count = self.dispatch.desk.give_up(raw.get("run", ""))
        return JSONResponse({"schema_version": SCHEMA_VERSION, "cancelled": count})

    async def confirm(self, _: HttpRequest) -> Response:
        """The owner has looked at a ledger that was held: limits count again what it knows."""
        because = await self.book.confirm()
        return JSONResponse({"schema_version": SCHEMA_VERSION, "was_held": because})

    async def spend(self, request: HttpRequest) -> Response:
        """Sums of the ledger between two instants."""
        by = request.query_params.get("by", "tier")
        if by not in SPEND_BY:
            raise RequestError(f"by={by!r} is not known; use one of {', '.join(SPEND_BY)}")
        since, until = instant(request, "since"), instant(request, "until")
        zone = request.query_params.get("zone", self.status.zone)
        rows = await self.book.spend(by=by, since=since, until=until, zone=zone)
        total = reduce(SpendRow.plus, rows, SpendRow(""))
        return JSONResponse(
            {
                "schema_version": SCHEMA_VERSION,
                "rows": [{"key": row.key, **amounts(row)} for row in rows],
                "total": amounts(total),
                "held": self.book.held,
                "outside": await self.outside.told(since, until),
                "budgets": await self.status.budgets_told(),
            }
        )

    async def saved(self, request: HttpRequest) -> Response:
        """What was saved between two instants, and against what."""
        since, until = instant(request, "since"), instant(request, "until")
        told = await self.savings.told(since, until)
        return JSONResponse({"schema_version": SCHEMA_VERSION, **told})

    async def quiet(self, request: HttpRequest) -> Response:
        """What looks that found nothing have saved, by job."""
        since, until = instant(request, "since"), instant(request, "until")
        told = await self.savings.quiet(since, until)
        return JSONResponse({"schema_version": SCHEMA_VERSION, **told})


def instant(request: HttpRequest, name: str) -> datetime:
    """An ISO instant with its zone from the query."""
    value = request.query_params.get(name, "")
    try:
        when = datetime.fromisoformat(value)
    except ValueError as exc:
        raise RequestError(f"{name}={value!r} is not an ISO instant") from exc
    if when.tzinfo is None:
        raise RequestError(f"{name}={value!r} has no zone; write for example ...+00:00")
    return when


def amounts(row: SpendRow) -> dict[str, Any]:
    """The figures of one line of `twotier spend`, money as decimal text."""
    return {
        "attempts": row.attempts,
        "requests": row.requests,
        "input_tokens": row.fresh_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "output_tokens": row.output_tokens,
        "thinking_tokens": row.thinking_tokens,
        "cost_usd": usd_text(row.cost_microusd),
        "fees_usd": usd_text(row.fees_microusd),
        "web_searches": row.web_searches,
        "reserved_usd": usd_text(row.reserved_microusd),
        "estimated": row.estimated,
        "unknown": row.unknown,
    }


def told(
    handler: Callable[[HttpRequest], Awaitable[Response]],
) -> Callable[[HttpRequest], Awaitable[Response]]:
    """A handler whose errors of ours become answers in OpenAI's shape."""

    async def answer(request: HttpRequest) -> Response:
        try:
            return await handler(request)
        except TwotierError as exc:
            body = INBOUND["openai_chat"].write_error(exc)
            return Response(body, exc.status, media_type="application/json")

    return answer
