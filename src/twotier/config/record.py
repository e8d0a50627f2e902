"""The settings of what is learned of each job's work, and of the watch over its quality."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from twotier.config.alerts import Hours
from twotier.config.section import Section
from twotier.config.values import Usd, Zone

SHADOW_PERCENT_MAX = 5.0


class RecordConfig(Section):
    """What is done with the record that is kept of each job on each tier."""

    recheck: bool = Field(
        True,
        description="Whether a local tier that lost a job by its failures is tried again with a"
        " background run now and then, after pauses that double with each failure.",
    )
    hours: Hours = Field(
        "01:00-06:00",
        description="Hours in which that is done, when nobody needs the models; empty for all day."
        " A job that never runs in them is tried in the day, once it has waited long.",
    )
    zone: Zone = Field("local", description="Time zone of these hours.")


class QualityConfig(Section):
    """What is judged without an order of yours: a few of the local tier's background runs, so that
    a fall is seen before a person sees it, and jobs that nobody knows whether it would do.
    """

    shadow_percent: float = Field(
        0.0,
        ge=0,
        le=SHADOW_PERCENT_MAX,
        description="How many of a hundred background runs on the local tier are judged that way,"
        " 0 (none) to 5; those of local-only jobs never. They wait for the hours of [trials].",
    )
    prove_free: bool = Field(
        True,
        description="Whether a job with tier = auto that the frontier does, because nobody knows"
        " whether the local tier would, has ten runs at most done again by it as soon as they have"
        " ended, without effects. Nothing is paid: programs compare both answers, and what they can"
        " tell stands in the job's record.",
    )
    prove: bool = Field(
        False,
        description="Whether ten runs at most of such a job are also judged by the frontier, in the"
        " hours of [trials]. That costs money; it tells of answers that no program can compare.",
    )
    limit_usd: Usd = Field(
        Decimal("0.50"), description="Most that all this may cost in a day, judging included."
    )
