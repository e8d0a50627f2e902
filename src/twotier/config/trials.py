"""The settings of trials: work done once more in another way, to see whether it is as good."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from twotier.config.alerts import Hours
from twotier.config.section import Section
from twotier.config.values import Usd, Zone


class TrialsConfig(Section):
    """When trials run, what they may cost, and what counts as proof."""

    hours: Hours = Field(
        "01:00-06:00",
        description="Hours in which trials ask models, when nobody needs them; empty for all day."
        " `--now` does not wait.",
    )
    zone: Zone = Field("local", description="Time zone of these hours.")
    limit_usd: Usd = Field(
        Decimal(1),
        description="Most that one trial may cost, judging included; `--limit-usd` for one.",
    )
    judge: Literal["frontier", "local", "none"] = Field(
        "frontier",
        description="Which tier says whose answer serves better, without knowing whose it is. A"
        " local-only job is never judged on the frontier.",
    )
    bar_percent: int = Field(
        70,
        ge=1,
        le=99,
        description="A cheaper tier is proposed where at least so many of all runs are served as"
        " well by it, with 95 % certainty.",
    )
