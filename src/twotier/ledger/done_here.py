"""What local tiers did for people, and for jobs that were judged: what thresholds are tuned on."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from twotier.domain.message import Usage
from twotier.domain.money import Outcome
from twotier.ledger.schema import judgements, usage
from twotier.ledger.spans import Span

ROWS_MAX = 50_000


class Here(msgspec.Struct, frozen=True):
    """One answer of a local tier. `left`: its client went before it was whole."""

    prompt_tokens: int
    output_tokens: int
    seconds: float
    left: bool = False
    bad: bool = False

    @property
    def usage(self) -> Usage:
        """The same elsewhere, with nothing in a cache."""
        return Usage(self.prompt_tokens, self.output_tokens)


_PROMPT = (
    usage.c.input_tokens
    + usage.c.cache_read_tokens
    + usage.c.cache_write_tokens
    + usage.c.cache_write_1h_tokens
)


def waited_for(connection: sa.Connection, span: Span, *, local: frozenset[str]) -> list[Here]:
    """The newest answers somebody waited for, of work that named no model; the oldest first."""
    rows = connection.execute(
        sa.select(_PROMPT, usage.c.output_tokens, usage.c.total_ms, usage.c.outcome)
        .where(usage.c.created_ms >= span[0], usage.c.created_ms < span[1])
        .where(usage.c.tier.in_(sorted(local)), usage.c.kind == "request")
        .where(~usage.c.background, usage.c.model_asked.in_(("", "auto")))
        .where(usage.c.outcome.in_((Outcome.OK.value, Outcome.CANCELLED.value)))
        .order_by(usage.c.created_ms.desc())
        .limit(ROWS_MAX)
    )
    return [
        Here(prompt, output, total_ms / 1000, left=outcome == Outcome.CANCELLED)
        for prompt, output, total_ms, outcome in rows
    ][::-1]


def judged(connection: sa.Connection, span: Span, *, local: frozenset[str]) -> list[Here]:
    """The newest pieces of jobs whose end was verified, the oldest first. A piece with several
    calls is as large as its largest prompt.
    """
    longest = (
        sa.select(usage.c.run, usage.c.tier, sa.func.max(_PROMPT).label("prompt"))
        .where(usage.c.created_ms >= span[0], usage.c.created_ms < span[1], usage.c.run != "")
        .group_by(usage.c.run, usage.c.tier)
        .subquery()
    )
    run = sa.func.substr(judgements.c.id, 1, sa.func.instr(judgements.c.id, ":") - 1)
    rows = connection.execute(
        sa.select(
            longest.c.prompt, judgements.c.output_tokens, judgements.c.seconds, judgements.c.good
        )
        .join(longest, sa.and_(longest.c.run == run, longest.c.tier == judgements.c.tier))
        .where(judgements.c.at_ms >= span[0], judgements.c.at_ms < span[1])
        .where(judgements.c.tier.in_(sorted(local)), judgements.c.good >= 0)
        .order_by(judgements.c.at_ms.desc())
        .limit(ROWS_MAX)
    )
    return [Here(prompt, output, seconds, bad=good == 0) for prompt, output, seconds, good in rows][
        ::-1
    ]
