"""What the dashboard does with keys of clients: the same file, under the same lock, as
`twotier key`, and in force with the answer.

A key leaves here once, in the answer to the order that made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.clock import Clock
from twotier.domain.money import microusd_of
from twotier.domain.tier import TierPolicy
from twotier.errors import NotFoundError, RequestError, UsageError
from twotier.gateway.clients import Clients
from twotier.keys import (
    DEFAULT,
    AtLimit,
    ClientKey,
    KeyFile,
    Period,
    digest,
    listed,
    new_key,
    told,
)
from twotier.ledger.book import Book

SCHEMA_VERSION = 1
USED_DAYS = 30
T = TypeVar("T", bound=msgspec.Struct)


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key's name and what it may do. An empty `budget_usd` is no budget."""

    name: str
    policy: TierPolicy = TierPolicy.AUTO
    budget_usd: str = ""
    period: Period = "day"
    at_limit: AtLimit = "stop"

    def rights(self) -> dict[str, Any]:
        """The fields of `ClientKey`. Raises `UsageError`."""
        try:
            limit = microusd_of(self.budget_usd) if self.budget_usd.strip() else None
        except ValueError as exc:
            raise UsageError(f"the budget: {exc}") from exc
        return {
            "policy": self.policy,
            "limit_microusd": limit,
            "period": self.period,
            "at_limit": self.at_limit,
        }


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose key."""

    name: str


@dataclass(frozen=True, slots=True)
class KeyDesk:
    """The paths. `budgets` tells how each stands now."""

    file: KeyFile
    clients: Clients
    book: Book
    clock: Clock
    budgets: Callable[[], Awaitable[list[dict[str, Any]]]]

    async def listed(self, _: HttpRequest) -> Response:
        """Every client that has a key, what it may do, has spent, and when it asked last."""
        last = await self.book.clients(self.clock.now() - timedelta(days=USED_DAYS))
        used = {name: when.isoformat() for name, when in last.items()}
        spent = {one["client"]: one["spent_usd"] for one in await self.budgets() if one["of_key"]}
        keys = listed(self.clients.entries, used, spent=spent)
        document = {"schema_version": SCHEMA_VERSION, "used": used, "keys": keys}
        return JSONResponse(document | {"used_days": USED_DAYS})

    async def added(self, request: HttpRequest) -> Response:
        """Make a key; the only answer that holds it."""
        wanted = read(await request.body(), Wanted)
        key, now = new_key(), self.clock.now()
        made = digest(key).hex()
        entry = ClientKey(name=wanted.name, digest=made, created=now, **wanted.rights())
        await asyncio.to_thread(self.file.add, entry)
        self.clients.reload()
        return JSONResponse({"schema_version": SCHEMA_VERSION, "key": key, **told(entry)})

    async def changed(self, request: HttpRequest) -> Response:
        """Say anew what a key may do; the key itself stays."""
        wanted = read(await request.body(), Wanted)
        if wanted.name not in (DEFAULT, *self.clients.named):
            raise NotFoundError(f"no key {wanted.name[:70]!r}; `twotier key list` names them")
        rights, now = wanted.rights(), self.clock.now()
        change = lambda: self.file.change(wanted.name, rights, now=now)  # noqa: E731 - for a thread
        entry = await asyncio.to_thread(change)
        self.clients.reload()
        return JSONResponse({"schema_version": SCHEMA_VERSION, **told(entry)})

    async def removed(self, request: HttpRequest) -> Response:
        """End a key: the next request with it is refused."""
        name = read(await request.body(), Named).name
        if name == DEFAULT:
            raise UsageError("the default key stays: the program's own clients use it")
        await asyncio.to_thread(self.file.remove, name)
        self.clients.reload()
        return JSONResponse({"schema_version": SCHEMA_VERSION, "name": name, "removed": True})


def read(body: bytes, kind: type[T]) -> T:
    """The order in a body. Raises `RequestError`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as exc:
        raise RequestError(f"the order cannot be read: {exc}") from exc
