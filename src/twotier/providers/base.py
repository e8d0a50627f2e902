"""The seam to every upstream: one method.

A provider turns an `Ask` (a body in its own dialect) into a `Reply` (its bytes as they come). It
knows where the upstream lives and how it wants to be authenticated; it knows nothing of tiers,
money or routing. What it raises is always from `errors`:

- `TierUnavailableError`: nothing was sent, so asking another tier is safe;
- `UpstreamError`: the upstream answered with an error status; `started`: it may charge;
- `DeadlineError`: one of the four times ran out;
- `StreamBrokenError`: the connection broke after the reply had begun.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from twotier.domain.message import Dialect


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Four limits in seconds: connect, first byte of content, idle between bytes, all of it."""

    connect_seconds: float
    first_token_seconds: float
    idle_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """One call upstream. `body` is JSON in the provider's dialect; `headers` are extra ones.

    `paid`: it costs money, so it must never be sent twice, not even where a pooled connection
    died before a byte of the answer came.
    """

    body: bytes
    stream: bool
    deadlines: Deadlines
    headers: Mapping[str, str] = field(default_factory=dict)
    paid: bool = False


class Reply(Protocol):
    """An upstream's answer with a 2xx status, its body not read yet."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The response headers, names in lower case."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `DeadlineError` and `StreamBrokenError`."""
        ...

    async def close(self) -> None:
        """End it, whatever is still coming: the upstream sees its caller leave."""
        ...


class Provider(Protocol):
    """One kind of upstream."""

    @property
    def dialect(self) -> Dialect:
        """The wire format it speaks."""
        ...

    async def ask(self, ask: Ask) -> Reply:
        """Send, wait for the response head, and hand over the reply. See the module for errors."""
        ...
