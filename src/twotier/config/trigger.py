"""What starts a job: exactly one of several triggers, and what may stand beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from twotier.config.section import Section, listed
from twotier.config.values import Limit, Seconds, SecretPlace, Zone, check_cron
from twotier.config.watch import AnyWatch

INBOX = "inbox"  # the kind of watcher whose items are posted to us


def instant(value: object) -> datetime:
    """An instant of a text or of TOML's own dates, in whole seconds; without a zone it is a wall
    time of the job's zone.
    """
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as exc:
        raise ValueError(
            f"{value!r} is no instant; write for example 2026-12-24T18:00, in the job's zone, or"
            " 2026-12-24T18:00+01:00"
        ) from exc
    return when.replace(microsecond=0)


Instant = Annotated[datetime, BeforeValidator(instant)]


class TriggerConfig(Section):
    """The part of a job that says when it runs, and what becomes of a slot that is in the way."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Unique name: a-z, 0-9, - and _."
    )
    every: Limit | None = Field(None, ge=1, description="Period, for example 30m.")
    cron: str = Field(
        "",
        description="Cron expression in place of every: 5 fields, or 6 with the seconds in front.",
    )
    at: Instant | None = Field(
        None, description="Or one instant, such as 2026-12-24T18:00: it runs once."
    )
    after: str = Field("", description="Or the job whose good end starts this one.")
    webhook: bool = Field(
        False, description="Or what is posted to /hooks/NAME starts it, and is what it works on."
    )
    webhook_secret: SecretPlace | None = Field(
        None, description="Where the secret lies that a post is signed with: env:NAME or file:PATH."
    )
    zone: Zone = Field("local", description="Time zone of cron and at.")
    jitter: Seconds = Field(
        0.0,
        description="Moves each slot of every and cron by up to so much, always the same way, so"
        " that not all jobs start at once.",
    )
    overlap: Literal["skip", "queue", "replace"] | None = Field(
        None,
        description="A slot while the run before is still on: skip it, queue (one waits) or replace"
        " the run. Default: skip.",
    )
    watch: AnyWatch | None = Field(None, description="What to look at before asking.")

    def triggers(self) -> list[str]:
        """The names of the triggers that a job has."""
        given = {
            "every": self.every is not None,
            "cron": bool(self.cron),
            "at": self.at is not None,
            "after": bool(self.after),
            "webhook": self.webhook,
            "watch.every": self.watch is not None and self.watch.every is not None,
        }
        return [name for name, there in given.items() if there]

    def trigger_problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        there = self.triggers()
        if not there:
            yield (
                'needs one trigger: every = "30m", cron = "30 6 * * 1-5", at = "2026-12-24T18:00",'
                ' after = "JOB" or webhook = true; with a watcher, every may stand in its section'
            )
        if len(there) > 1:
            yield f"has {len(there)} triggers ({listed(there)}); keep one, or make a job of each"
        if self.cron and (failed := check_cron(self.cron)):
            yield f"cron {self.cron!r} cannot be read: {failed}"
        if self.jitter and not {"every", "cron", "watch.every"} & set(there):
            yield "jitter moves the slots of every and cron; this job has none, so take it out"
        if self.after == self.name:
            yield "after names the job itself; name the job that comes before it"
        yield from self.webhook_problems()

    def webhook_problems(self) -> Iterator[str]:
        """What does not fit where items are posted to a job."""
        kind = self.watch.kind if self.watch is not None else ""
        if self.webhook and kind not in ("", INBOX):
            yield (
                "webhook = true works on what is posted, and watch on what is looked for; make two"
                " jobs of it"
            )
        if (self.webhook or kind == INBOX) and self.webhook_secret is None:
            yield (
                'needs webhook_secret = "env:NAME": the secret that whoever posts signs with; make'
                " one with `openssl rand -hex 32`"
            )
        if self.webhook_secret is not None and not (self.webhook or kind == INBOX):
            yield "webhook_secret is for a job with webhook = true; add that, or take it out"
        if self.webhook and self.overlap is not None:
            yield (
                "overlap is for slots: take it out; what is posted during a run waits for the next"
            )


def order_problems(jobs: Sequence[TriggerConfig]) -> Iterator[str]:
    """Jobs that come after one that there is not, or after themselves in a circle."""
    before = {job.name: job.after for job in jobs}
    for number, job in enumerate(jobs):
        if job.after and job.after not in before:
            yield f"jobs.{number}.after: there is no job {job.after!r}; there are: {listed(before)}"
            continue
        chain = [job.name]
        while (following := before.get(chain[-1], "")) and following not in chain:
            chain.append(following)
        if len(chain) > 1 and following == job.name:
            way = " after ".join([*chain, following])
            yield f"jobs.{number}.after: {way}, in a circle; give one of them another trigger"
