"""Every request and why it went where it went, as plain values: for the dashboard and for scripts.

    GET /control/decisions?before=&limit=&job=&client=&tier=&rule=&outcome=
    GET /control/decisions/{request}

On the private socket only. Names and figures; no text of any prompt or answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.message import Usage
from twotier.errors import NotFoundError, RequestError
from twotier.gateway.savings import Yardstick
from twotier.gateway.status import usd_text
from twotier.ledger import history
from twotier.ledger.book import Book
from twotier.ledger.cost import cost
from twotier.ledger.history import OUTCOMES, Asked, Wanted

SCHEMA_VERSION = 1
LIMIT, LIMIT_MAX = 50, 500
NUMBER_MAX = 1 << 53
FILTERS = ("job", "client", "tier", "rule", "outcome")


@dataclass(frozen=True, slots=True)
class DecisionControl:
    """`frontier` is the model everything is compared with, as in the savings; `local` are the
    tiers of this machine.
    """

    book: Book
    frontier: Callable[[], Yardstick]
    local: frozenset[str]

    async def listed(self, request: HttpRequest) -> Response:
        """Some requests, the newest first. Raises `RequestError` and `LedgerError`."""
        asked = wanted(request.query_params)
        found = await self.book.read(lambda connection: history.stretch(connection, asked))
        return JSONResponse(
            {
                "schema_version": SCHEMA_VERSION,
                "requests": [self.line(one) for one in found.asked],
                "next": found.next or None,
                "looked": found.looked,
                "since": None if found.since is None else found.since.isoformat(),
                "names": history.names(found.asked),
            }
        )

    async def shown(self, request: HttpRequest) -> Response:
        """One request in full. Raises `NotFoundError` and `LedgerError`."""
        name = request.path_params["request"]
        found = await self.book.read(lambda connection: history.one(connection, name))
        if not found:
            raise NotFoundError(f"no request {name[:70]!r} is known (any more)")
        decisions = [self.line(one) | whole(one) for one in found]
        return JSONResponse(
            {"schema_version": SCHEMA_VERSION, "request": name, "decisions": decisions}
        )

    def line(self, one: Asked) -> dict[str, Any]:
        """One request in a line."""
        paid = sum(row["cost_microusd"] for row in one.tries)
        last = one.tries[-1] if one.tries else {}
        return {
            "request": one.request_id,
            "at": one.at.isoformat(),
            "job": one.task.get("job", ""),
            "run": last.get("run", ""),
            "client": one.client,
            "kind": one.task.get("kind", ""),
            "asked_for": one.task.get("model_asked", ""),
            "rule": one.rule,
            "tier": one.tier,
            "model": last.get("model_served") or last.get("model", ""),
            "outcome": one.outcome,
            "error": one.refusal or last.get("error", ""),
            "tries": len(one.tries),
            "prompt_tokens": last.get("prompt_tokens"),
            "output_tokens": last.get("output_tokens"),
            "seconds": sum(row["total_ms"] for row in one.tries) / 1_000,
            "cost_usd": usd_text(paid),
            "reserved_usd": usd_text(
                sum(row["reserved_microusd"] for row in one.tries if row["settled"] == "open")
            ),
            "other": self.other(one),
        }

    def other(self, one: Asked) -> dict[str, str] | None:
        """What the other side would have cost: the frontier at its price with nothing cached, as
        in the savings' column A, or the machine here, which costs nothing. None where nobody
        answered, there is no other side, or its price is not known.
        """
        good = [row for row in one.tries if row["outcome"] == "ok"]
        if not good:
            return None
        if one.tier not in self.local:
            here = min(self.local, default="")
            return {"tier": here, "usd": usd_text(0)} if here else None
        model = self.frontier()
        if model.price is None:
            return None
        usage = Usage(good[-1]["prompt_tokens"], good[-1]["output_tokens"])
        return {"tier": model.ref, "usd": usd_text(cost(usage, model.price))}


def whole(one: Asked) -> dict[str, Any]:
    """What a line leaves out."""
    tries = [
        {
            **{name: value for name, value in row.items() if not name.endswith("_microusd")},
            "at": row["at"].isoformat(),
            "cost_usd": usd_text(row["cost_microusd"]),
            "reserved_usd": usd_text(row["reserved_microusd"]),
        }
        for row in one.tries
    ]
    return {
        "options": one.options,
        "because": one.because,
        "task": one.task,
        "known": one.known,
        "refusal": one.refusal,
        "refusal_code": one.refusal_code,
        "attempts": tries,
    }


def wanted(query: Mapping[str, str]) -> Wanted:
    """What is looked for. Raises `RequestError`."""
    filters = {name: query.get(name, "") for name in FILTERS}
    if filters["outcome"] not in ("", *OUTCOMES):
        raise RequestError(f"outcome must be one of {', '.join(OUTCOMES)}")
    return Wanted(
        before=number(query.get("before") or "0", "before", most=NUMBER_MAX),
        limit=max(1, number(query.get("limit") or str(LIMIT), "limit", most=LIMIT_MAX)),
        **filters,
    )


def number(text: str, name: str, *, most: int) -> int:
    """A whole number of the query. Raises `RequestError`."""
    if not (text.isascii() and text.isdecimal()) or int(text) > most:
        raise RequestError(f"{name} must be a whole number up to {most}")
    return int(text)
