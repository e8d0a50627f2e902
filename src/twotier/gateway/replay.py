"""Decisions of the past under other rules, as plain values: for `twotier replay`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.clock import Clock
from twotier.domain.recorded import Recorded
from twotier.errors import RequestError
from twotier.gateway.status import usd_text
from twotier.ledger.book import Book
from twotier.ledger.recorded import cached, recorded
from twotier.ledger.rows import milliseconds
from twotier.replay import Again, Replay, Seconds, Sums
from twotier.router.rows import Rules
from twotier.router.tree import Router

DECISIONS_MAX = 100_000
MOVES_SHOWN = 40


class _Wanted(msgspec.Struct):
    days: float
    rules: str = ""


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """Decides again what was recorded. `rules_of` reads the rules of a file's text, and raises
    `ConfigError`; of an empty one the rules in force. `seconds` is what a tier would take now.
    """

    book: Book
    router: Router
    rules_of: Callable[[str], Rules]
    seconds: Seconds
    clock: Clock

    async def __call__(self, request: HttpRequest) -> Response:
        """Raises `RequestError`, `ConfigError` and `LedgerError`; stores nothing."""
        try:
            wanted = msgspec.json.decode(await request.body(), type=_Wanted)
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the body is not {{'days': N, 'rules': TEXT}}: {exc}") from exc
        rules = self.rules_of(wanted.rules) if wanted.rules else self.router.rules
        until = milliseconds(self.clock.now()) + 1
        span = (until - round(wanted.days * 86_400_000), until)
        await self.book.flush()

        def read(connection: sa.Connection) -> tuple[list[Recorded], int, dict[str, float]]:
            past, count = recorded(connection, span, limit=DECISIONS_MAX)
            return past, count, cached(connection, span)

        past, count, shares = await self.book.read(read)
        again = Again(self.router, shares, self.seconds)
        found = await asyncio.to_thread(again, past, rules)
        return JSONResponse({"in_all": count, "headers": sorted(rules.headers), **told(found)})


def told(found: Replay) -> dict[str, Any]:
    """Both ways, and the moves, the most frequent first."""
    moves = sorted(found.moves.items(), key=lambda one: -one[1].count)
    return {
        "decisions": found.decisions,
        "moved": sum(moved.count for _, moved in moves),
        "before": sums(found.before),
        "after": sums(found.after),
        "rules_before": dict(found.rules_before.most_common()),
        "rules_after": dict(found.rules_after.most_common()),
        "unrecorded": dict(sorted(found.unrecorded.items())),
        "moves": [
            {
                **asdict(move),
                "count": moved.count,
                "usd": usd_text(moved.microusd),
                "seconds": round(moved.seconds, 1),
            }
            for move, moved in moves[:MOVES_SHOWN]
        ],
        "moves_more": max(0, len(moves) - MOVES_SHOWN),
    }


def sums(one: Sums) -> dict[str, Any]:
    """One way as plain figures, money as decimal text."""
    figures = asdict(one)
    return {**figures, "usd": usd_text(figures.pop("microusd")), "seconds": round(one.seconds, 1)}
