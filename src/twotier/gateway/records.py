"""The record of all work, as the worker tells of it and the command line looks at it.

    POST /control/verdicts            {key, tier, good, by, run, ...} -> {"counted": bool}
    GET  /control/records?key=KEY     every key, or one with its judgements
    POST /control/records/forget      {"key": KEY} -> {"forgotten": count}

On the private socket only. Names of jobs and figures; no text of any work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.known import Known, Record, Spread
from twotier.domain.tier import TierSpec
from twotier.domain.verdict import BAD, GOOD, Judgement, Verdict
from twotier.errors import NotFoundError, RequestError
from twotier.learned.records import Records
from twotier.router.record import decided, odds
from twotier.router.row import Choice

SCHEMA_VERSION = 1
WORDS = {GOOD: "good", BAD: "bad"}


@dataclass(frozen=True, slots=True)
class RecordControl:
    """Takes verdicts, shows what came of them. `tiers` are all, in their order."""

    records: Records
    tiers: Sequence[TierSpec]

    async def judged(self, request: HttpRequest) -> Response:
        """A verdict; told again it counts once."""
        try:
            verdict = msgspec.json.decode(await request.body(), type=Verdict)
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the body is not a verdict: {exc}") from exc
        return said({"counted": self.records.tell(verdict)})

    async def show(self, request: HttpRequest) -> Response:
        """All records, the latest first, or one."""
        key = request.query_params.get("key", "")
        if key and key not in self.records.keys():  # noqa: SIM118 - no mapping
            raise NotFoundError(none_of(key))
        keys = [key] if key else self.records.keys()
        return said({"records": [self._told(one, whole=bool(key)) for one in keys]})

    async def forget(self, request: HttpRequest) -> Response:
        """What was known of this work is forgotten."""
        try:
            key = msgspec.json.decode(await request.body(), type=dict[str, str]).get("key", "")
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the body is not {{'key': KEY}}: {exc}") from exc
        count = self.records.forget(key)
        if not count:
            raise NotFoundError(none_of(key))
        return said({"key": key, "forgotten": count})

    def _told(self, key: str, *, whole: bool) -> dict[str, Any]:
        records = self.records.of(key)
        now = decided(Known(key, records), tiers=[tier for tier in self.tiers if not tier.standby])
        frontier = {tier.name for tier in self.tiers if not tier.local}
        tiers = [told(one, frontier=one.tier in frontier) for one in records.values()]
        document = {
            "key": key,
            "tiers": tiers,
            "says": now.side if isinstance(now, Choice) else "",
            "because": now.text,
        }
        if whole:
            past = self.records.past(key).values()
            rows = sorted((one for rows in past for one in rows), key=lambda one: -one.at_ms)
            document["judgements"] = [judgement_told(one) for one in rows]
        return document


def told(record: Record, *, frontier: bool) -> dict[str, Any]:
    """What is known of one tier: its posterior with the bounds that the rule looks at."""
    seen = odds(record, frontier=frontier)
    spreads = {"output_tokens": record.output, "seconds": record.seconds, "steps": record.steps}
    spreads["cost_microusd"] = record.cost_microusd
    return {
        "tier": record.tier,
        "runs": record.runs,
        "good": round(record.good, 2),
        "bad": round(record.bad, 2),
        "mean": round(seen.mean, 3),
        "low": round(seen.low, 3),
        "high": round(seen.high, 3),
        "lately": lately(record),
        **{name: spread_told(one) for name, one in spreads.items()},
    }


def lately(record: Record) -> list[str]:
    """The last verdicts in words, the newest last; a failure that another tier did again is one of
    its own.
    """
    redone = record.redone or (False,) * len(record.lately)
    pairs = zip(record.lately, redone, strict=True)
    return ["redone" if again else WORDS[good] for good, again in pairs]


def spread_told(spread: Spread | None) -> Mapping[str, Any] | None:
    """A spread as plain figures."""
    if spread is None:
        return None
    return {"p50": round(spread.p50, 3), "p90": round(spread.p90, 3), "count": spread.count}


def judgement_told(one: Judgement) -> dict[str, Any]:
    """A verdict as it is kept."""
    return {
        "at": datetime.fromtimestamp(one.at_ms / 1000, UTC).isoformat(),
        "piece": one.id,
        "tier": one.tier,
        "model": one.model,
        "version": one.version,
        "verdict": "redone"
        if one.redone and one.good == BAD
        else WORDS.get(one.good, "unverified"),
        "by": one.by,
        "output_tokens": one.output_tokens,
        "seconds": round(one.seconds, 3),
        "steps": one.steps,
        "cost_microusd": one.cost_microusd,
    }


def none_of(key: str) -> str:
    """What to do about a key without a record."""
    return f"there is no record of {key!r}; `twotier record` lists what there is"


def said(body: Mapping[str, Any]) -> JSONResponse:
    """A JSON answer with its version."""
    return JSONResponse({"schema_version": SCHEMA_VERSION, **body})
