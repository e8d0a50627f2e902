"""The settings of money: what may be spent over a period, by whom, and what is told of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from twotier.config.section import Section, listed
from twotier.config.values import Usd, Zone
from twotier.config.work import JobConfig

Percent = Annotated[int, Field(ge=1, le=1_000)]


class BudgetConfig(Section):
    """An alert and a limit over a period. They are two things: only the limit acts."""

    name: str = Field(
        "", description="How it is called in messages; default: its period and whose work counts."
    )
    period: Literal["day", "week", "month"] = Field("day", description="What the sums run over.")
    zone: Zone = Field("local", description="Time zone in which the period starts at midnight.")
    alert_usd: Usd | None = Field(None, description="Tells you once; nothing stops.")
    limit_usd: Usd | None = Field(None, description="Reserved worst cases included, never passed.")
    at_limit: Literal["alert", "local-only", "stop"] = Field(
        "local-only",
        description="At the limit: only tell, go on where it is free, or refuse all work.",
    )
    job: str = Field("", description="Only what this job costs.")
    client: str = Field("", description="Only what this client key costs (`twotier key list`).")
    tier: str = Field("", description="Only what this tier costs.")
    model: str = Field("", description="Only what this model costs, by its bare id.")
    work: Literal["all", "background", "interactive"] = Field(
        "all", description="Only what jobs cost (background), or only what people do (interactive)."
    )
    background_percent: int = Field(
        90,
        ge=0,
        le=100,
        description="How much of the limit jobs may use; the rest waits for a person.",
    )
    tell_at_percent: tuple[Percent, ...] = Field(
        (50, 80, 100), description="Parts of alert and limit that are told, each once a period."
    )

    @property
    def called(self) -> str:
        """Its name, or what it is about."""
        work = "" if self.work == "all" else self.work
        parts = (self.period, self.job, self.client, self.tier, self.model, work)
        return self.name or " ".join(part for part in parts if part)


def budget_problems(
    budgets: Sequence[BudgetConfig], *, tiers: Collection[str], jobs: Sequence[JobConfig]
) -> Iterator[str]:
    """Budgets with one name, or of a tier or a job that there is not."""
    names = [one.called for one in budgets]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"budgets: two are called {name!r}, and messages could not tell them apart; set name"
    known = [job.name for job in jobs]
    for number, one in enumerate(budgets):
        if one.tier and one.tier not in tiers:
            yield f"budgets.{number}.tier: no tier {one.tier!r}; there are: {listed(tiers)}"
        if one.job and one.job not in known:
            yield f"budgets.{number}.job: no job {one.job!r}; there are: {listed(known)}"
