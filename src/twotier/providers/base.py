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

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from twotier.domain.batch import Batch, Result
from twotier.domain.message import NOTHING_PASSED, Dialect, Passed


class Deadlines(msgspec.Struct, frozen=True):
    """Four limits in seconds: connect, first byte of content, idle between bytes, all of it."""

    connect_seconds: float
    first_token_seconds: float
    idle_seconds: float
    total_seconds: float


class Ask(msgspec.Struct, frozen=True):
    """One call upstream. `body` is JSON in `dialect`, None for the provider's own.

    `passed` is what of the client's call goes on with a body of its own dialect.
    `paid`: it costs money, so it must never be sent twice, not even where a pooled connection
    died before a byte of the answer came. `prompt_tokens` is an estimate; `holds`: the server may
    write a call of a tool without a word until it is complete.
    """

    body: bytes
    stream: bool
    deadlines: Deadlines
    dialect: Dialect | None = None
    passed: Passed = NOTHING_PASSED
    paid: bool = False
    prompt_tokens: int = 0
    holds: bool = False


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

    async def read(self) -> bytes:
        """The next piece of the body, none at its end. `DeadlineError`, `StreamBrokenError`."""
        ...

    async def close(self) -> None:
        """End it, whatever is still coming: the upstream sees its caller leave."""
        ...


async def all_of(reply: Reply) -> bytes:
    """The whole body. Raises what `read` does."""
    first = await reply.read()
    pieces = [first]
    while piece := first and await reply.read():
        pieces.append(piece)
    return first if len(pieces) == 1 else b"".join(pieces)


class Provider(Protocol):
    """One kind of upstream."""

    @property
    def dialect(self) -> Dialect:
        """The wire format it is asked in where nothing else is said."""
        ...

    async def ask(self, ask: Ask) -> Reply:
        """Send, wait for the response head, and hand over the reply. See the module for errors."""
        ...


class Batches(Protocol):
    """Where a provider takes work that may wait. All of it raises as `Provider.ask` does."""

    async def submit(self, custom_id: str, body: bytes) -> str:
        """Send one request, a body as `ask` has it, under a name of ours; the id of its batch."""
        ...

    async def look(self, batch_id: str) -> Batch:
        """How it stands."""
        ...

    async def since(self, moment: datetime) -> list[Batch]:
        """The batches that were made since then, the newest first."""
        ...

    async def result(self, batch_id: str, custom_id: str) -> Result | None:
        """What became of a request in a batch that has ended; None where it is not in there."""
        ...

    async def cancel(self, batch_id: str) -> None:
        """Begin to cancel it."""
        ...
