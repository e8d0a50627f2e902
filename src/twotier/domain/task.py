"""What the router may know of a request, and of who asks. Never a secret, never whole texts."""

from __future__ import annotations

import msgspec

from twotier.domain.message import Dialect
from twotier.domain.tier import TierPolicy


class Caller(msgspec.Struct, frozen=True):
    """Who asks. `private` is True on the private socket only, where its headers are believed.

    From TCP the same headers may restrict (a `local-only` policy), never widen. `trace` is the W3C
    `traceparent` it sent, empty where nobody makes spans. `probe`: it asks only to see how well a
    tier does. `period_seconds` lie between two runs of its job, None where nobody knows. `batch`:
    it may wait for a batch, and asks again until that has ended.
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

    @property
    def background(self) -> bool:
        """True for work nobody waits for at a keyboard."""
        return bool(self.job)


class Task(msgspec.Struct, frozen=True):
    """An estimate of one request. Token counts are estimates; `prompt_tokens_max` is a bound.
    `output_tokens_asked` is the limit the client set, None if it set none.

    `kind` is one of `polling`, `bulk-write`, `frontier-reasoning`, `read-report` or `unknown`;
    `kind_because` says what it was read from. A `probe` is not held to what earlier probes found.
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
