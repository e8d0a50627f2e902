"""Decisions as they were recorded, with what became of them: to be decided again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from twotier.domain.decision import Because, Option
from twotier.domain.message import Dialect
from twotier.domain.money import Outcome
from twotier.domain.recorded import Ended, Recorded
from twotier.domain.task import Task
from twotier.domain.tier import TierPolicy
from twotier.domain.work import Work
from twotier.ledger.kept import known_of
from twotier.ledger.schema import decisions, usage
from twotier.ledger.spans import Span


class _Task(msgspec.Struct):
    dialect: Dialect
    prompt_tokens: int
    prompt_tokens_max: int
    output_tokens: int
    output_tokens_asked: int | None = None
    tools: int = 0
    images: int = 0
    kind: str = "unknown"
    kind_from: str = ""
    policy: TierPolicy = TierPolicy.AUTO
    model_asked: str = ""
    job: str = ""
    client: str = ""
    background: bool = False
    probe: bool = False
    deadline_seconds: float | None = None
    work: Work | None = None
    headers: dict[str, str | None] = {}


_TASK = msgspec.json.Decoder(_Task)
_OPTIONS = msgspec.json.Decoder(list[Option])
_BECAUSE = msgspec.json.Decoder(list[Because])
BYTES_PER_TOKEN = 4
_LAST = " goes last: "  # what `health` says of a tier, see `router.tree.order`
_ASKED = (
    usage.c.request_id,
    usage.c.tier,
    usage.c.outcome,
    usage.c.input_tokens
    + usage.c.cache_read_tokens
    + usage.c.cache_write_tokens
    + usage.c.cache_write_1h_tokens,
    usage.c.output_tokens,
    usage.c.cost_microusd,
    usage.c.total_ms,
)


def recorded(connection: sa.Connection, span: Span, *, limit: int) -> tuple[list[Recorded], int]:
    """The newest `limit` decisions of the span, the oldest first, and how many there are in all.

    What another version has written, and cannot be read any more, is left out.
    """
    within = sa.and_(decisions.c.created_ms >= span[0], decisions.c.created_ms < span[1])
    count = connection.scalar(sa.select(sa.func.count()).where(within)) or 0
    newest = sa.select(decisions).where(within).order_by(decisions.c.id.desc()).limit(limit)
    rows = list(connection.execute(newest))[::-1]
    since = rows[0].created_ms if rows else span[1]
    ends = dict(ended(connection, (since, span[1])))
    return list(read(rows, ends)), count


def task_of(told: _Task) -> Task:
    """The task. Versions before told of its size in tokens alone, at four bytes each."""
    headers = {name: value for name, value in told.headers.items() if value is not None}
    fields = msgspec.structs.asdict(told) | {"headers": headers}
    task = Task(**fields, kind_because="as it was recorded")
    if told.work is not None:
        return task
    work = Work(BYTES_PER_TOKEN * told.prompt_tokens, kind=told.kind, tools=told.tools > 0)
    return msgspec.structs.replace(task, work=work)


def cached(connection: sa.Connection, span: Span) -> dict[str, float]:
    """The share of each tier's prompts that lay in a cache."""
    prompts = sa.func.sum(_ASKED[3])
    found = connection.execute(
        sa.select(usage.c.tier, sa.func.sum(usage.c.cache_read_tokens), prompts)
        .where(usage.c.created_ms >= span[0], usage.c.created_ms < span[1])
        .group_by(usage.c.tier)
    )
    return {tier: (read or 0) / whole if whole else 0.0 for tier, read, whole in found}


def ended(connection: sa.Connection, span: Span) -> Iterator[tuple[str, Ended]]:
    """What became of each request that was asked since then, by its name."""
    found: dict[str, Ended] = {}
    attempts = (
        sa.select(*_ASKED)
        .where(usage.c.created_ms >= span[0])
        .order_by(usage.c.created_ms, usage.c.attempt_id)
    )
    for name, tier, outcome, prompt, output, cost, total_ms in connection.execute(attempts):
        before = found.get(name)
        whole = Ended(tier, outcome == Outcome.OK, prompt, output, cost, total_ms / 1000)
        if before is not None:
            kept = before if before.ok else whole
            whole = msgspec.structs.replace(
                kept,
                cost_microusd=before.cost_microusd + cost,
                seconds=before.seconds + total_ms / 1000,
            )
        found[name] = whole
    yield from found.items()


def read(rows: Sequence[Any], ends: dict[str, Ended]) -> Iterator[Recorded]:
    """Each row that can be read."""
    for row in rows:
        try:
            told = _TASK.decode(row.task)
            options, because = _OPTIONS.decode(row.options), _BECAUSE.decode(row.because)
        except msgspec.MsgspecError:
            continue
        yield Recorded(
            at=datetime.fromtimestamp(row.created_ms / 1000, UTC),
            task=task_of(told),
            known=known_of(row.known),
            first=options[0].tier if options else "",
            rule=row.rule,
            sick=tuple(
                one.text.partition(_LAST)[0]
                for one in because
                if one.rule == "health" and _LAST in one.text
            ),
            ended=ends.get(row.request_id),
            headers=frozenset(told.headers),
        )
