"""The settings of scheduled work: a job with its trigger, tier policy and delivery."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, field_validator, model_validator

from twotier.config.agent import AgentUseConfig
from twotier.config.section import raise_all
from twotier.config.tools import ToolUseConfig
from twotier.config.trigger import TriggerConfig
from twotier.config.values import (
    Limit,
    Usd,
    check_delivery,
    duration_seconds,
    file_target,
    folder_of,
)
from twotier.config.verify import VerifyUseConfig
from twotier.config.watch import FilesWatch
from twotier.domain.tier import TierPolicy

DOLLARS_MAX = 1_000_000.0
NO_MODEL = "none"  # as `twotier.jobs.digest` has it
BATCH_DEADLINE_SECONDS_MIN = 3_600.0  # most batches end within an hour


class JobConfig(AgentUseConfig, ToolUseConfig, VerifyUseConfig, TriggerConfig):
    """A piece of work that comes back: trigger, prompt, tier policy, delivery."""

    prompt: str = Field(
        "", description='What the model is asked to do; needed, unless model is "none".'
    )
    tier: TierPolicy = Field(
        TierPolicy.AUTO,
        description="Which tiers it may use: auto, local-only, local-then-frontier, frontier.",
    )
    model: str = Field(
        "auto",
        description="Pins a model or alias; auto lets the router decide. none asks no model: what"
        " the watcher found is delivered as it is, by title, author, time, link and first words.",
    )
    deliver: str = Field(
        "log", description="Where the answer goes: file:PATTERN, log, webhook:URL or ntfy:TOPIC."
    )
    each: bool = Field(True, description="With a watcher: one answer per item, not one for all.")
    answer_lines: int = Field(
        0, ge=0, le=50, description="Number of lines the answer must have; 0 for free form."
    )
    output_tokens_max: int = Field(400, ge=1, description="Longest answer, in tokens.")
    budget_usd: Usd | None = Field(
        None, description="Most it may cost a day; from there on it runs only where it is free."
    )
    deadline: Limit = Field(600.0, description="Longest time one run may take, waiting included.")
    batch: bool = Field(
        False,
        description="Whether its questions to Anthropic's API may wait for a batch at half price;"
        " needs a deadline of 1h or more.",
    )
    split: bool = Field(
        False,
        description="Whether the local tier reads what the watcher found and picks lines, and the"
        " frontier writes from those alone; for long reading with long writing.",
    )
    when_local_is_down: str = Field(
        "",
        description="With tier local-only or local-then-frontier, what a run does while the local"
        " tier is down, after it has waited: wait (for the next slot), skip, or frontier:USD (spend"
        " up to that much a day there). Without it the tier policy alone decides.",
    )
    missed: str = Field(
        "once",
        description="Slots missed while twotier was not running: once, skip or within:DURATION.",
    )
    enabled: bool = Field(True, description="false keeps the job and does not run it.")

    @field_validator("deliver")
    @classmethod
    def known_delivery(cls, value: str) -> str:
        """A delivery twotier has, with a target it can reach."""
        check_delivery(value)
        return value

    @field_validator("missed")
    @classmethod
    def known_missed(cls, value: str) -> str:
        """`once`, `skip`, or `within:` and a duration."""
        kind, _, window = value.partition(":")
        if kind == "within":
            duration_seconds(window)
        elif value not in ("once", "skip"):
            raise ValueError("must be once, skip or within:DURATION")
        return value

    @model_validator(mode="after")
    def fits_together(self) -> JobConfig:
        """One trigger that can be read, and answers that do not become new work."""
        return raise_all(self, self.problems())

    @field_validator("when_local_is_down")
    @classmethod
    def known_way(cls, value: str) -> str:
        """Empty, `wait`, `skip`, or `frontier:` and dollars a day."""
        kind, _, dollars = value.partition(":")
        if kind == "frontier":
            dollars_a_day(dollars)
        elif value not in ("", "wait", "skip"):
            raise ValueError("must be wait, skip or frontier:USD, for example frontier:0.50")
        return value

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        yield from self.trigger_problems()
        if self.model == NO_MODEL:
            yield from self.no_model_problems()
        elif not self.prompt:
            yield 'prompt is missing: what the model is asked to do (or model = "none")'
        if self.batch and self.deadline < BATCH_DEADLINE_SECONDS_MIN:
            yield 'batch = true needs time to wait: deadline = "1h" or more'
        if self.when_local_is_down:
            yield from self.down_problems()
        if self.split:
            yield from self.split_problems()
        target = file_target(self.deliver, job=self.name)
        watched = self.watch.path if isinstance(self.watch, FilesWatch) else None
        if target and watched and folder_of(target) == folder_of(f"{watched}/x"):
            yield (
                f"deliver = {self.deliver!r} points into the folder the job watches, and would"
                " feed it with its own answers; name another folder"
            )

    def no_model_problems(self) -> Iterator[str]:
        """What only a model could do."""
        if self.watch is None and not self.webhook:
            yield 'model = "none" needs a watch: what it finds is what is delivered'
        wanted = {
            "batch": self.batch,
            "split": self.split,
            "tools": bool(self.tools),
            "answer_lines": bool(self.answer_lines),
            "answer_schema": self.answer_schema is not None,
        }
        for name in (name for name, there in wanted.items() if there):
            yield f'{name} is for a model, and model = "none" asks none'

    def down_problems(self) -> Iterator[str]:
        """What cannot be done while the local tier is down."""
        if self.tier not in (TierPolicy.LOCAL_ONLY, TierPolicy.LOCAL_THEN_FRONTIER):
            yield "when_local_is_down needs tier = local-only or local-then-frontier"
        if self.tier is TierPolicy.LOCAL_ONLY and self.when_local_is_down.startswith("frontier"):
            yield "when_local_is_down must be wait or skip with tier local-only: it never leaves"

    def split_problems(self) -> Iterator[str]:
        """What does not go with work in two steps."""
        if self.watch is None:
            yield "split = true needs a watch: what it finds is what is read"
        if self.tier is TierPolicy.LOCAL_ONLY:
            yield "split = true sends picked lines to the frontier, and tier is local-only"
        if self.tools or self.answer_schema is not None:
            yield "split = true is for jobs without tools and answer_schema; those have `delegate`"
        if self.batch or self.answer_lines:
            yield "split = true goes with neither batch nor answer_lines"


def dollars_a_day(text: str) -> float:
    """The number of a `frontier:USD`."""
    try:
        dollars = float(text.removeprefix("$"))
    except ValueError:
        dollars = -1.0
    if not 0 < dollars < DOLLARS_MAX:
        raise ValueError(f"{text!r} is no sum in dollars; write for example frontier:0.50")
    return dollars
