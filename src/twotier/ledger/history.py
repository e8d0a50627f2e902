"""Requests as a person looks back at them: each decision, and what was asked of it.

The newest first, some at a time; the place of the next ones is the number of the last decision that
was looked at, so that what comes in meanwhile moves nothing. A filter that finds little stops after
`LOOKED_MAX` decisions and says how far it came: the time an answer takes does not depend on how
many rows lie in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from twotier.ledger.rows import moment
from twotier.ledger.schema import decisions, usage

AT_ONCE = 400
LOOKED_MAX = 6_000
BEFORE_MS = 1_000  # the clock may have been set back between the two rows
AFTER_MS = 1_800_000  # an answer takes at most half an hour, and so do its tries
BATCH_MS = 90_000_000  # one that waits for a batch: a day and an hour
OUTCOMES = ("ok", "failed", "refused", "open")
_SHOWN = (
    *("attempt_id", "request_id", "created_ms", "tier", "provider", "model", "model_served"),
    *("rule", "kind", "client", "job", "run", "step", "input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "reasoning_tokens"),
    *("cost_microusd", "reserved_microusd", "settled", "outcome", "error", "upstream_status"),
    *("first_token_ms", "total_ms", "price_since", "price_source", "repairs"),
)
_CACHED = ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; empty values are not asked about. `before`: decisions older than that
    number, 0 for the newest. `outcome` is one of `OUTCOMES`.
    """

    before: int = 0
    limit: int = 50
    job: str = ""
    client: str = ""
    tier: str = ""
    rule: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its decision, as plain values, and its tries in the order of time."""

    number: int
    request_id: str
    at: datetime
    rule: str
    options: Sequence[dict[str, Any]]
    because: Sequence[dict[str, Any]]
    task: dict[str, Any]
    known: dict[str, Any]
    refusal: str
    refusal_code: str
    tries: Sequence[dict[str, Any]]

    @property
    def outcome(self) -> str:
        """What came of it, one of `OUTCOMES`: the last try counts."""
        if self.refusal or not self.options:
            return "refused"
        if not self.tries or self.tries[-1]["settled"] == "open":
            return "open"
        return "ok" if any(one["outcome"] == "ok" for one in self.tries) else "failed"

    @property
    def tier(self) -> str:
        """The one that answered; else the one that was asked last, or would have been first."""
        good = [one for one in self.tries if one["outcome"] == "ok"]
        if found := (good or self.tries):
            return str(found[-1]["tier"])
        return str(self.options[0]["tier"]) if self.options else ""

    @property
    def client(self) -> str:
        """Who asked."""
        return str(next((one["client"] for one in self.tries), self.task.get("client", "")))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some requests. `next` is the place of those behind them, 0 at the end; `looked` decisions
    were looked at, back to `since`.
    """

    asked: Sequence[Asked]
    next: int
    looked: int
    since: datetime | None


def stretch(connection: sa.Connection, wanted: Wanted) -> Stretch:
    """The requests that are wanted, the newest first."""
    found: list[Asked] = []
    at, looked, since = wanted.before, 0, None
    while looked < LOOKED_MAX:
        rows = _some(connection, at, wanted=wanted)
        may = [row for row in rows if _may_fit(row, wanted)]
        found += [one for one in _whole(connection, may) if _fits(one, wanted)]
        if len(found) >= wanted.limit:
            last = found[wanted.limit - 1]
            looked += sum(row.id >= last.number for row in rows)
            return Stretch(found[: wanted.limit], last.number, looked, last.at)
        looked += len(rows)
        if rows:
            at, since = rows[-1].id, moment(rows[-1].created_ms)
        if len(rows) < _at_once(wanted):
            return Stretch(found, 0, looked, since)
    return Stretch(found, at, looked, since)


def one(connection: sa.Connection, request_id: str) -> list[Asked]:
    """Every decision of a request, the oldest first; none where nobody knows it."""
    rows = connection.execute(
        sa.select(decisions)
        .where(decisions.c.request_id == request_id)
        .order_by(decisions.c.id.desc())
        .limit(AT_ONCE)
    ).all()
    return list(_whole(connection, rows, after_ms=BATCH_MS))[::-1]


def _at_once(wanted: Wanted) -> int:
    """Where everything fits, no more is read than is shown."""
    filters = (wanted.job, wanted.client, wanted.tier, wanted.rule, wanted.outcome)
    return AT_ONCE if any(filters) else wanted.limit


def _some(connection: sa.Connection, at: int, *, wanted: Wanted) -> Sequence[Any]:
    statement = sa.select(decisions).order_by(decisions.c.id.desc()).limit(_at_once(wanted))
    return connection.execute(statement.where(decisions.c.id < at) if at else statement).all()


def _may_fit(row: Any, wanted: Wanted) -> bool:
    """Whether its own row speaks against it, before its texts and its tries are read."""
    named = not wanted.job or msgspec.json.encode(wanted.job).decode() in row.task
    return named and wanted.rule in ("", row.rule)


def _fits(asked: Asked, wanted: Wanted) -> bool:
    pairs = (
        (wanted.job, asked.task.get("job", "")),
        (wanted.client, asked.client),
        (wanted.tier, asked.tier),
        (wanted.rule, asked.rule),
        (wanted.outcome, asked.outcome),
    )
    return all(not want or want == is_ for want, is_ in pairs)


def _whole(
    connection: sa.Connection, rows: Sequence[Any], *, after_ms: int = AFTER_MS
) -> Iterator[Asked]:
    """Decisions with their tries. A text of another version that cannot be read is left empty."""
    tries = _tries(connection, rows, after_ms=after_ms)
    for row in rows:
        yield Asked(
            number=row.id,
            request_id=row.request_id,
            at=moment(row.created_ms),
            rule=row.rule,
            options=_read(row.options, list),
            because=_read(row.because, list),
            task=_read(row.task, dict),
            known=_read(row.known, dict),
            refusal=row.refusal,
            refusal_code=row.refusal_code,
            tries=tries.get(row.request_id, ()),
        )


def _tries(
    connection: sa.Connection, rows: Sequence[Any], *, after_ms: int
) -> dict[str, list[dict[str, Any]]]:
    """The tries of some requests, from the stretch of time in which they can lie: the file has no
    index by request, which would cost every request that is written.
    """
    if not rows:
        return {}
    times = [row.created_ms for row in rows]
    statement = (
        sa.select(*(usage.c[name] for name in _SHOWN))
        .where(
            usage.c.created_ms.between(min(times) - BEFORE_MS, max(times) + after_ms),
            usage.c.request_id.in_({row.request_id for row in rows}),
        )
        .order_by(usage.c.created_ms, usage.c.attempt_id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(statement).mappings():
        found.setdefault(row["request_id"], []).append(_try(row))
    return found


def _try(row: sa.RowMapping) -> dict[str, Any]:
    """One try; all that was read of its prompt in one figure, and what of it lay in a cache."""
    told = {name: row[name] for name in _SHOWN if name not in _CACHED}
    cached = sum(row[name] for name in _CACHED)
    return {
        **told,
        "at": moment(row["created_ms"]),
        "prompt_tokens": row["input_tokens"] + cached,
        "cache_read_tokens": row["cache_read_tokens"],
        "cache_write_tokens": cached - row["cache_read_tokens"],
    }


def _read(text: str, kind: type[Any]) -> Any:
    try:
        found = msgspec.json.decode(text or "null")
    except msgspec.DecodeError:
        found = None
    return found if isinstance(found, kind) else kind()


def names(rows: Iterable[Asked]) -> dict[str, list[str]]:
    """What of each sort stands in these rows: what a filter can be set to."""
    found: dict[str, set[str]] = {"job": set(), "client": set(), "tier": set(), "rule": set()}
    for row in rows:
        values = (row.task.get("job", ""), row.client, row.tier, row.rule)
        for kind, value in zip(found, values, strict=True):
            found[kind] |= {str(value)} - {""}
    return {kind: sorted(values) for kind, values in found.items()}
