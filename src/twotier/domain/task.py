"""What the router may know of a request, and of who asks. Never a secret, never whole texts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from twotier.domain.known import NOTHING, Known
from twotier.domain.message import Dialect, Request
from twotier.domain.tier import TierPolicy
from twotier.domain.work import NO_WORK, Work


class Caller(msgspec.Struct, frozen=True):
    """Who asks. `private` is True on the private socket only, where its headers are believed.

    From TCP the same headers may restrict (a `local-only` policy), never widen. `trace` is the W3C
    `traceparent` it sent, empty where nobody makes spans. `probe`: it asks only to see how well a
    tier does. `period_seconds` lie between two runs of its job, None where nobody knows. `batch`:
    it may wait for a batch, and asks again until that has ended. `headers` are those that a rule
    of the owner's looks at, by their names in small letters.
    """

    private: bool = False
    client: str = ""
    job: str = ""
    run: str = ""
    step: str = ""
    kind: str = ""
    policy: TierPolicy = TierPolicy.AUTO
    deadline_seconds: float | None = None
    trace: str = ""
    probe: bool = False
    period_seconds: float | None = None
    batch: bool = False
    headers: Mapping[str, str] = {}

    @property
    def background(self) -> bool:
        """True for work nobody waits for at a keyboard."""
        return bool(self.job)


class Task(msgspec.Struct, frozen=True):
    """An estimate of one request. Token counts are estimates; `prompt_tokens_max` is a bound.
    `output_tokens_asked` is the limit the client set, None if it set none.

    `kind` is one of `polling`, `bulk-write`, `frontier-reasoning`, `read-report` or `unknown`;
    `kind_because` says what it was read from, `kind_from` in one word: `trigger` (whoever runs it
    says so), `size`, `words`, or empty. A `probe` is not held to what earlier probes found. `at` is
    when it came, where a rule of the owner's asks for that; `work` is what is learned from later.
    """

    dialect: Dialect
    model_asked: str
    prompt_tokens: int
    prompt_tokens_max: int
    output_tokens: int
    output_tokens_asked: int | None
    tools: int
    images: int
    kind: str
    kind_because: str
    policy: TierPolicy
    job: str
    background: bool
    deadline_seconds: float | None
    probe: bool = False
    kind_from: str = ""
    client: str = ""
    headers: Mapping[str, str] = {}
    at: datetime | None = None
    work: Work = NO_WORK


class Asking(msgspec.Struct, frozen=True):
    """A request, what it is taken for, who asks, and what is known of such work."""

    request: Request
    task: Task
    caller: Caller
    known: Known = NOTHING
