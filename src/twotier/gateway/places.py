"""Which model is loaded: what `twotier models use` calls, on the private socket only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.errors import RequestError, UnknownModelError
from twotier.router.names import Names
from twotier.supervisor.standby import Place

SCHEMA_VERSION = 1


class Use(msgspec.Struct):
    """The tier whose model is to be loaded: its name, an alias, or its model's name."""

    tier: str


@dataclass(frozen=True, slots=True)
class PlaceControl:
    """The paths. `places` are those that tiers share, by the name of each."""

    places: Mapping[str, Place]
    names: Names

    async def show(self, _: HttpRequest) -> Response:
        """Which tiers share a place, and which of them is loaded."""
        shared = [
            {"home": place.home, "loaded": place.loaded, "tiers": place.names}
            for name, place in self.places.items()
            if name == place.home
        ]
        return JSONResponse({"schema_version": SCHEMA_VERSION, "places": shared})

    async def use(self, request: HttpRequest) -> Response:
        """Load it in its place; the answer comes when it has generated a token.

        A caller that goes away changes nothing: the swap is done.
        """
        name = self.tier_of(await request.body())
        place = self.places[name]
        before = place.loaded
        await place.use(name)
        said: dict[str, Any] = {"tier": name, "before": before, "home": place.home}
        return JSONResponse({"schema_version": SCHEMA_VERSION, **said})

    async def release(self, request: HttpRequest) -> Response:
        """A run of a job that names a model has ended. What shares no place stays as it is."""
        found = self.names.resolve(asked(await request.body()))
        if found is not None and found.tier in self.places:
            self.places[found.tier].done_with(found.tier)
        return JSONResponse({"schema_version": SCHEMA_VERSION})

    def tier_of(self, body: bytes) -> str:
        """The tier that is meant. Raises `RequestError` or `UnknownModelError`."""
        name = asked(body)
        found = self.names.resolve(name)
        if found is None:
            known = ", ".join(self.names.known()[1:])
            raise UnknownModelError(f"no model {name!r} here; there are: {known}")
        if found.tier not in self.places:
            raise RequestError(
                f"{found.tier} shares no place in memory, so there is nothing to swap; give a tier"
                f' in_place_of = "{found.tier}" in twotier.toml'
            )
        return found.tier


def asked(body: bytes) -> str:
    """The name in a body. Raises `RequestError`."""
    try:
        return msgspec.json.decode(body, type=Use).tier
    except msgspec.MsgspecError as exc:
        raise RequestError(f'send {{"tier": NAME}}: {exc}') from exc
