"""What `twotier engine` calls, on the private socket only: it asks whoever minds a tier's server.

Nothing is decided here. A start is waited for until its first token, because "started" helps
nobody; what comes back is how the server stands then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.tier import TierState
from twotier.errors import EngineError, NotFoundError, RequestError
from twotier.supervisor.minder import Minder
from twotier.supervisor.process import started_seconds

WAIT_SECONDS_MAX = 3_600.0
LOOK_SECONDS = 0.1
SCHEMA_VERSION = 1


class Order(msgspec.Struct, frozen=True):
    """What comes with an order. `wait_seconds`: how long to wait for the first token, at most;
    `idle_seconds`: how long to wait first until no request is in it.
    """

    force: bool = False
    wait_seconds: float = 0.0
    idle_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EngineControl:
    """The paths. `in_use` tells how many requests a tier has now; `renew` looks at the version of
    its server, which may be another one after a start.
    """

    minders: Mapping[str, Minder]
    in_use: Callable[[str], int]
    renew: Callable[[str], Awaitable[object]]

    async def listed(self, _: HttpRequest) -> Response:
        """Every tier with a server on this machine."""
        told = [self.told(name) for name in self.minders]
        return JSONResponse({"schema_version": SCHEMA_VERSION, "engines": told})

    async def ordered(self, request: HttpRequest) -> Response:
        """Start, stop or restart one, and how it stands after that."""
        name, verb = request.path_params["tier"], request.path_params["verb"]
        minder = self.minder(name)
        order = read(await request.body())
        orders: dict[str, Callable[[], Awaitable[None]]] = {
            "start": lambda: minder.start(force=order.force),
            "stop": minder.stop,
            "restart": lambda: minder.restart(force=order.force),
        }
        if verb not in orders:
            raise NotFoundError(f"there is no order {verb!r}; there are: {', '.join(orders)}")
        await self.idle(name, order.idle_seconds)
        await orders[verb]()
        failed = "" if verb == "stop" else await first_token(minder, order.wait_seconds)
        if verb != "stop" and not failed:
            await self.renew(name)
        document = {"schema_version": SCHEMA_VERSION, **self.told(name), "failed": failed}
        return JSONResponse(document)

    async def idle(self, name: str, seconds: float) -> None:
        """Wait until no request is in it. Raises `EngineError` when there is no such moment."""
        if not seconds:
            return
        try:
            async with asyncio.timeout(min(seconds, WAIT_SECONDS_MAX)):
                while self.in_use(name):  # noqa: ASYNC110 - nobody tells when a tier becomes idle
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError as exc:
            raise EngineError(
                f"{name} had requests all the {seconds:.0f} s; try again when it is quiet"
            ) from exc

    def minder(self, name: str) -> Minder:
        """Who minds that tier's server. Raises `NotFoundError`."""
        if name not in self.minders:
            known = ", ".join(self.minders) or "none"
            raise NotFoundError(
                f"no tier {name!r} has a server on this machine; there are: {known}"
            )
        return self.minders[name]

    def told(self, name: str) -> dict[str, Any]:
        """All that is known of one."""
        minder = self.minders[name]
        facts = minder.facts()
        return {
            "tier": name,
            "state": facts.state.value,
            "because": facts.because,
            "since": minder.since().isoformat(timespec="seconds"),
            "pid": facts.pid,
            "started_at": began(facts.pid),
            "address": facts.address,
            "owner": minder.owner,
            "gate": minder.gate(),
            "evidence": minder.evidence(),
            "deaths": [asdict(one) | {"at": one.at.isoformat()} for one in minder.deaths()],
        }


def began(pid: int | None) -> str | None:
    """When its process began, which may be before us; None where there is none to see."""
    seconds = started_seconds(pid) if pid else 0.0
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


async def first_token(minder: Minder, seconds: float) -> str:
    """Wait for it; why it did not come, else empty. Not waited for: empty as well.

    A start that is held up or has died once is told at once: a person wants to know, not to wait
    for what the keeper tries next.
    """
    try:
        async with asyncio.timeout(min(seconds, WAIT_SECONDS_MAX)):
            while coming(minder):  # noqa: ASYNC110 - one look at a value, for a person
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        return "" if not seconds else f"no token in {seconds:.0f} s; {minder.facts().because}"
    facts = minder.facts()
    return "" if facts.state is TierState.READY else minder.gate() or facts.because


def coming(minder: Minder) -> bool:
    """Whether it is on its way, and nothing is wrong yet."""
    facts = minder.facts()
    return facts.state is TierState.COMING_UP and not facts.lost and not minder.gate()


def read(body: bytes) -> Order:
    """The order in a body; an empty one is an order without conditions."""
    try:
        return msgspec.json.decode(body or b"{}", type=Order)
    except msgspec.MsgspecError as exc:
        raise RequestError(f"the body is not an order: {exc}") from exc
