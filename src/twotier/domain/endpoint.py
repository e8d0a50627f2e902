"""Where a kept server listens, and what others may ask of its keeper."""

from __future__ import annotations

from typing import Protocol

import msgspec

from twotier.domain.tier import TierFacts


class Endpoint(msgspec.Struct, frozen=True):
    """Where a kept server listens now: `http://127.0.0.1:PORT`, no slash at the end."""

    base_url: str
    generation: int  # grows by one with every start, so that old pools can be dropped


class Work(msgspec.Struct, frozen=True):
    """What a request asks of its server: to read so many tokens, and then to answer.

    `whole`: in one piece. `holds`: the server may write a call of a tool without a word until it is
    complete. `began`: something of its answer came.
    """

    prompt_tokens: int = 0
    whole: bool = False
    holds: bool = False
    began: bool = False


ANY_WORK = Work()


class Use(Protocol):
    """A request that is in a kept server now."""

    def progressed(self) -> None:
        """Bytes came: it is alive, however long this takes. A keep-alive comment counts."""
        ...

    def lay_down(self) -> None:
        """The request has left the server. Calling it twice is calling it once."""
        ...


class Kept(Protocol):
    """A keeper as its clients see it: they ask, it decides."""

    async def ensure_ready(self, *, within_seconds: float) -> Endpoint:
        """Wait until the server has generated a token since it started.

        Raises `TierUnavailableError` (with `retry_after_seconds`) when it does not happen in time.
        """
        ...

    def facts(self) -> TierFacts:
        """What to show; deciding on it is not allowed."""
        ...

    def suspect(self, because: str) -> None:
        """A request failed in a way that looks like a dead server: look now, not later."""
        ...

    def pick_up(self, work: Work = ANY_WORK) -> Use:
        """A request enters with what it asks, and is there until it is laid down, from its sending
        to its last byte.

        A server in use is not probed, is not ended while it makes progress, and may finish its
        requests before it is stopped.
        """
        ...
