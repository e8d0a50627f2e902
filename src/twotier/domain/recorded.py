"""A decision of the past, and what became of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from twotier.domain.known import Known
from twotier.domain.task import Task


class Ended(msgspec.Struct, frozen=True):
    """What a request came to: the tier that answered, or was tried last, and all its attempts' cost
    in micro-dollars. `ok`: somebody answered.
    """

    tier: str
    ok: bool
    prompt_tokens: int
    output_tokens: int
    cost_microusd: int
    seconds: float


class Recorded(msgspec.Struct, frozen=True):
    """A decision of the past. `first` is the tier that was asked first, empty where it was refused;
    `sick` went last because they could not answer then. `ended` is None where nothing was asked.
    `headers` are those that were looked for then, whether they were there or not.
    """

    at: datetime
    task: Task
    known: Known
    first: str
    rule: str
    sick: tuple[str, ...]
    ended: Ended | None
    headers: frozenset[str] = frozenset()
