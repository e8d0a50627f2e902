"""What did not come through twotier, and ours against the provider's, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.bill import COST, USAGE, BillRow
from twotier.errors import RequestError
from twotier.gateway.status import usd_text
from twotier.ledger import outside as kept
from twotier.ledger.rows import milliseconds
from twotier.outside.auditor import Auditor
from twotier.outside.compare import Day, Line, Side, total

SCHEMA_VERSION = 1
TOKENS = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


class Imported(msgspec.Struct):
    """Rows of a provider's export, as `twotier spend import` read them."""

    rows: list[BillRow]


_IMPORTED = msgspec.json.Decoder(Imported)


@dataclass(frozen=True, slots=True)
class OutsidePage:
    """What the auditor found."""

    auditor: Auditor

    async def told(self, since: datetime, until: datetime) -> dict[str, Any]:
        """What did not come through twotier between two instants. Raises `LedgerError`."""
        span = (milliseconds(since), milliseconds(until))

        def asked(
            connection: sa.Connection,
        ) -> tuple[list[kept.Found], int, list[str]]:
            excess = kept.excess_microusd(connection, span)
            found = kept.found(connection, span)
            return found, excess, kept.unpriced_models(connection, span)

        found, excess, unpriced = await self.auditor.book.read(asked)
        logged = sum(one.cost_microusd for one in found)
        return {
            "outside_usd": usd_text(logged + excess),
            "logs": [
                {
                    "source": one.source,
                    "cost_usd": usd_text(one.cost_microusd),
                    "answers": one.answers,
                    "unpriced": one.unpriced,
                }
                for one in found
            ],
            "provider_only_usd": usd_text(excess),
            "unpriced_models": unpriced,
            "because": dict(self.auditor.because),
        }

    async def reconcile(self, request: HttpRequest) -> Response:
        """Ours against the provider's, of one day or month of UTC."""
        days = asked_days(request, self.auditor.clock.now())
        await self.auditor.book.flush()
        found = await self.auditor.compared(days)
        return JSONResponse({"schema_version": SCHEMA_VERSION, "days": days, **compared(found)})

    async def take(self, request: HttpRequest) -> Response:
        """Rows of a provider's export take the place of what was known of their days."""
        try:
            rows = _IMPORTED.decode(await request.body()).rows
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the rows cannot be read: {exc}") from exc
        if any(not whole(row) for row in rows):
            raise RequestError("the rows cannot be read: a day, a kind or an item is none of ours")
        billed = tuple(sorted({(row.provider, row.kind, row.day) for row in rows}))
        await self.auditor.take_bills(rows, billed)
        days = sorted({day for _, _, day in billed})
        return JSONResponse({"schema_version": SCHEMA_VERSION, "rows": len(rows), "days": days})


def whole(row: BillRow) -> bool:
    """Whether a row can be compared: its day is one, and what it is of is said."""
    try:
        day = date.fromisoformat(row.day).isoformat()
    except ValueError:
        return False
    served = row.kind == COST or (row.kind == USAGE and row.item.count("|") == 2)
    return served and day == row.day


def asked_days(request: HttpRequest, now: datetime) -> list[str]:
    """The days of `day` (YYYY-MM-DD) or `month` (YYYY-MM); of this month up to today."""
    today = now.astimezone(UTC).date()
    month, day = (request.query_params.get(name, "") for name in ("month", "day"))
    try:
        if not month:
            return [date.fromisoformat(day or today.isoformat()).isoformat()]
        first = date.fromisoformat(f"{month}-01")
        end = min((first + timedelta(days=31)).replace(day=1), today + timedelta(days=1))
        return [(first + timedelta(days=n)).isoformat() for n in range((end - first).days)]
    except (ValueError, OverflowError) as exc:
        raise RequestError("name a day as YYYY-MM-DD, or a month as YYYY-MM") from exc


def compared(found: Sequence[Day]) -> dict[str, Any]:
    """Days that anybody knows something of, and their sums."""
    known = [one for one in found if one.known]
    ours, theirs = total(one.ours for one in found), total(one.theirs for one in found)
    return {
        "known_days": len(known),
        "agree": bool(known) and all(one.agrees for one in known),
        "rows": [row for one in found for row in map(line, one.lines)],
        "by_day": [day(one) for one in found],
        "total": {
            **both(ours, theirs),
            "outside_usd": usd_text(sum(one.outside_microusd for one in found)),
        },
    }


def day(one: Day) -> dict[str, Any]:
    """One day's sums."""
    return {
        "day": one.day,
        "known": one.known,
        "agrees": one.agrees,
        **both(one.ours, one.theirs),
        "in_logs_usd": usd_text(one.logs_microusd),
        "provider_only_usd": usd_text(one.excess_microusd),
        "outside_usd": usd_text(one.outside_microusd),
    }


def line(one: Line) -> dict[str, Any]:
    """One day and model; `only` says on which side alone it is."""
    only = "theirs" if one.ours is None else "ours" if one.theirs is None else ""
    return {
        "day": one.day,
        "model": one.model,
        "only": only,
        "ours": side(one.ours),
        "theirs": side(one.theirs),
        "difference_tokens": one.difference_tokens,
        "difference_usd": usd_text(one.difference_microusd),
    }


def both(ours: Side, theirs: Side) -> dict[str, Any]:
    """The dollars of two sides."""
    return {
        "ours_usd": usd_text(ours.cost_microusd),
        "theirs_usd": usd_text(theirs.cost_microusd),
        "difference_usd": usd_text(theirs.cost_microusd - ours.cost_microusd),
        "priced": theirs.priced,
    }


def side(one: Side | None) -> dict[str, Any] | None:
    """What one side has; its tokens are null where it did not count them."""
    if one is None:
        return None
    tokens = dict(zip(TOKENS, one.tokens, strict=True)) if one.counted else None
    return {
        "tokens": tokens,
        "web_searches": one.sums[5],
        "cost_usd": usd_text(one.cost_microusd),
        "priced": one.priced,
    }
