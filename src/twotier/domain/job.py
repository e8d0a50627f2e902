"""A job is trigger + prompt + tier policy + delivery; a run is one try at it, one row per slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from twotier.domain.terms import Terms, Verifying
from twotier.domain.tier import TierPolicy

POLL_TOKENS_MAX = 1_000  # of an answer that says what is new


class RunState(StrEnum):
    """Where a run stands. The first three are on the way, the rest are ends."""

    DUE = "due"
    RUNNING = "running"
    WAITING = "waiting-approval"  # the owner is asked; until the answer it holds no slot
    QUIET = "quiet"  # the watcher looked and there was nothing: no model call
    DONE = "done"
    LATE = "late"  # done, but after a missed slot or past its deadline
    MISSED = "missed"  # the program was not running and the job says skip
    SKIPPED = "skipped"  # the previous run was still going on
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # killed too often to be resumed


@dataclass(frozen=True, slots=True)
class Job:
    """One job as configured. Exactly one of `every_seconds`, `cron`, `at`, `after` and `webhook`
    says when it runs.

    `at` is one instant; `after` names a job whose good end starts this one; `webhook`: it runs when
    something was posted to it. `jitter_seconds` moves each slot of `every` and `cron` by up to so
    much. `overlap` is what becomes of a slot while a run is on its way: `skip`, `queue` or
    `replace`. `tiers` are those that may serve it, its first choice first; none where all may.
    `watch` is the watcher's kind and settings, None for a job that always asks. `deliver` is
    `file:PATTERN`, `log`, `webhook:URL` or `ntfy:TOPIC`. `missed` is `once`, `skip` or
    `within:SECONDS`. `answer_lines` is the number of lines the answer must have, 0 for free form.
    `root` is the one folder of its tools' files. `batch`: it has time to wait for a provider's
    batch. `when_local_is_down` is empty (its tier policy alone decides), `wait`, `skip` or
    `frontier:USD` for so much a day. `verify` says how an answer of a local tier is looked at.
    """

    name: str
    prompt: str
    every_seconds: float | None
    cron: str
    zone: str
    watch: Mapping[str, Any] | None
    tier: TierPolicy
    model: str
    deliver: str
    each: bool
    answer_lines: int
    output_tokens_max: int
    deadline_seconds: float
    missed: str
    enabled: bool
    root: str
    batch: bool = False
    terms: Terms = field(default_factory=Terms)
    at: datetime | None = None
    after: str = ""
    webhook: bool = False
    jitter_seconds: float = 0.0
    overlap: str = "skip"
    tiers: tuple[str, ...] = ()
    when_local_is_down: str = ""
    split: bool = False
    verify: Verifying = field(default_factory=Verifying)

    @property
    def kind(self) -> str:
        """A word for the router: `polling` where it looks whether there is something new and says
        so shortly; empty where only its words tell. Who waits for notes to write a post from them
        has a watcher too, and is no poll.
        """
        short = self.output_tokens_max <= POLL_TOKENS_MAX
        return "polling" if self.watch is not None and short else ""


@dataclass(frozen=True, slots=True)
class Item:
    """One new thing a watcher found. `id` is stable: the same thing found again has the same.

    `bytes_cut` is how much of it was left out of `text`; the prompt says so. `author`, `at` (when
    it was made, ISO 8601) and `link` are empty where they are not known.
    """

    id: str
    title: str
    text: str
    source: str
    bytes_cut: int = 0
    author: str = ""
    at: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One try at a job. `slot` is the instant it was due, or of the order for a run by hand.

    `late`: the slot was missed and is run after all.
    """

    id: str
    job: str
    slot: datetime
    state: RunState
    tries: int = 0
    trigger: str = "schedule"  # or hand, webhook, after:RUN
    started_at: datetime | None = None
    ended_at: datetime | None = None
    items: int = 0
    model_calls: int = 0
    tokens: int = 0
    cost_microusd: int = 0
    tier: str = ""
    model: str = ""
    because: str = ""
    result: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True)
class JobStanding:
    """How a job that is switched on stands. Of its last runs `failures` in a row failed, the last
    one `because`, and `blind` of those could not look. A run should have ended `overdue_seconds`
    ago; 0 where none should. `waiting` of the failed ones, the last, wait for the local tier.
    """

    name: str
    failures: int = 0
    blind: int = 0
    because: str = ""
    overdue_seconds: float = 0.0
    waiting: int = 0
