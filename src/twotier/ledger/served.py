"""What was done in a span, read from the rows: one `Done` for each request that was answered.

A request's other attempts (failed, cancelled, escalated) are wasted, and so is all of a request
that nobody answered. Probes are summed apart: nobody asked for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from twotier.domain.money import Outcome
from twotier.ledger.rows import milliseconds
from twotier.ledger.savings import Done
from twotier.ledger.schema import decisions, usage
from twotier.ledger.spans import Span
from twotier.ledger.spending import spend_by

# Nearly all batches are done within an hour; the API promises a day.
# (https://platform.claude.com/docs/en/build-with-claude/batch-processing)
WAITS_SECONDS = 4 * 3_600
NOTHING_NEW_TOKENS = 50  # "there is nothing new", with a little thought before it
QUARTER_SECONDS = 900.0
USUAL = timedelta(days=90)


class Look(msgspec.Struct, frozen=True):
    """So many looks of a job that found nothing, in a quarter of an hour; `at` in Unix seconds."""

    at: float
    job: str
    count: int


@dataclass(frozen=True, slots=True)
class Served:
    """What was done, in the order of time; and what was paid beside it for work of nobody."""

    done: Sequence[Done]
    besides_microusd: int


class _Told(msgspec.Struct):
    deadline_seconds: float | None = None


_TASK = msgspec.json.Decoder(_Told)
_COLUMNS = (
    usage.c.request_id,
    usage.c.created_ms,
    usage.c.tier,
    usage.c.client,
    usage.c.job,
    usage.c.kind,
    usage.c.outcome,
    usage.c.input_tokens,
    usage.c.output_tokens,
    usage.c.cache_read_tokens,
    usage.c.cache_write_tokens,
    usage.c.cache_write_1h_tokens,
    usage.c.cost_microusd,
    usage.c.total_ms,
    usage.c.price_applied,
    decisions.c.task,
)
_JOINED = usage.outerjoin(
    decisions, sa.and_(usage.c.background, decisions.c.request_id == usage.c.request_id)
)
_PROMPT = (
    usage.c.input_tokens
    + usage.c.cache_read_tokens
    + usage.c.cache_write_tokens
    + usage.c.cache_write_1h_tokens
)


def served(connection: sa.Connection, span: Span, *, local: frozenset[str]) -> Served:
    """What was done in the span; `local` names the tiers of this machine."""
    rows = connection.execute(
        sa.select(*_COLUMNS)
        .select_from(_JOINED)
        .where(usage.c.created_ms >= span[0], usage.c.created_ms < span[1])
        .order_by(usage.c.created_ms, usage.c.attempt_id)
    )
    besides, wasted = 0, defaultdict[str, int](int)
    answered: dict[str, Done] = {}
    for row in rows:
        if row.kind != "request":
            besides += row.cost_microusd
        elif row.outcome == Outcome.OK and row.request_id not in answered:
            answered[row.request_id] = _done(row, local)
        else:
            wasted[row.request_id] += row.cost_microusd
    besides += sum(spent for request, spent in wasted.items() if request not in answered)
    done = [
        msgspec.structs.replace(one, wasted_microusd=wasted[request]) if request in wasted else one
        for request, one in answered.items()
    ]
    return Served(done, besides)


def _done(row: Any, local: frozenset[str]) -> Done:
    written = row.cache_write_tokens + row.cache_write_1h_tokens
    deadline = _TASK.decode(row.task).deadline_seconds if row.task else None
    return Done(
        at=row.created_ms / 1000,
        who=f"job {row.job}" if row.job else f"client {row.client}",
        prompt_tokens=row.input_tokens + row.cache_read_tokens + written,
        output_tokens=row.output_tokens,
        same_tokens=row.cache_read_tokens,
        paid_microusd=row.cost_microusd,
        seconds=row.total_ms / 1000,
        local=row.tier in local,
        waits=deadline is not None and deadline >= WAITS_SECONDS,
        batch='"mode":"batch"' in row.price_applied,
    )


def looked(connection: sa.Connection, looks: Iterable[Look], *, until: datetime) -> Iterator[Done]:
    """What those looks would have been as model calls: as large as the job's calls usually are, of
    which there must have been one, and with an answer that says there is nothing new.
    """
    usual = {
        job: (round(prompt), round(same))
        for job, prompt, same in connection.execute(
            sa.select(usage.c.job, sa.func.avg(_PROMPT), sa.func.avg(usage.c.cache_read_tokens))
            .where(usage.c.job != "", usage.c.outcome == Outcome.OK.value)
            .where(usage.c.kind == "request")
            .where(
                usage.c.created_ms >= milliseconds(until - USUAL),
                usage.c.created_ms < milliseconds(until),
            )
            .group_by(usage.c.job)
        )
    }
    for look in looks:
        if look.job not in usual:
            continue
        prompt, same = usual[look.job]
        for number in range(look.count):
            yield Done(
                at=look.at + number * QUARTER_SECONDS / look.count,
                who=f"job {look.job}",
                prompt_tokens=prompt,
                output_tokens=NOTHING_NEW_TOKENS,
                same_tokens=same,
                look=True,
                estimated=True,
            )


def looked_tokens(
    connection: sa.Connection, looks: Iterable[Look], *, until: datetime
) -> dict[str, int]:
    """The tokens that those looks would have taken as model calls, by their job; nothing of a job
    that has never asked. Pages ask this every minute, so it reads sums and no rows: a request that
    failed counts in what is usual, and makes it smaller.
    """
    span = (milliseconds(until - USUAL), milliseconds(until))
    usual = {
        row.key: (row.fresh_tokens + row.cache_read_tokens + row.cache_write_tokens) // row.requests
        for row in spend_by(connection, "job", span=span, zone=UTC)
        if row.key and row.requests
    }
    tokens: dict[str, int] = defaultdict(int)
    for look in looks:
        if look.job in usual:
            tokens[look.job] += look.count * (usual[look.job] + NOTHING_NEW_TOKENS)
    return dict(tokens)
