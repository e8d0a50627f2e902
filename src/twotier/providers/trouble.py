"""What goes wrong between us and an upstream, in our words, whichever client found out.

What matters is which side of a line an error falls on. Until the connection stands nothing was
sent, and another tier may be asked (`TierUnavailableError`). Once the request is out the upstream
may be working, and charging (`UpstreamError(started=True)`). Once its head is here, half an answer
is `StreamBrokenError`. The times are in `timer`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from yarl import URL

from twotier.domain.message import Failed
from twotier.errors import (
    StreamBrokenError,
    TierUnavailableError,
    TooLongError,
    TwotierError,
    UpstreamError,
)
from twotier.providers.base import Deadlines, Reply

ERROR_BODY_BYTES_MAX = 64 * 1024
ERROR_BODY_SECONDS_MAX = 1.0
# llama.cpp and vLLM name it; Anthropic says it in the sentence of an `invalid_request_error`.
TOO_LONG_KINDS = frozenset({"exceed_context_size_error", "context_length_exceeded"})
TOO_LONG_WORDS = re.compile(r"prompt is too long|context (?:size|length|window)", re.IGNORECASE)


def unaskable(url: URL, exc: Exception) -> TierUnavailableError:
    """The address or a header is none that can be sent."""
    return TierUnavailableError(f"{place(url)} cannot be asked ({exc}); check its base_url")


def unreachable(url: URL, reason: str) -> TierUnavailableError:
    """No connection came about."""
    return TierUnavailableError(
        f"{place(url)} cannot be reached ({reason}); see whether it is running",
        unreachable=True,
    )


def not_accepted(url: URL, deadlines: Deadlines) -> TierUnavailableError:
    """The connect time ran out."""
    return TierUnavailableError(
        f"{place(url)} did not accept a connection within {deadlines.connect_seconds:g} s; "
        "see whether it is running and reachable",
        unreachable=True,
    )


def unanswered(url: URL, exc: Exception) -> UpstreamError:
    """The request went out and no readable head came back."""
    return UpstreamError(
        f"{place(url)} took the request and closed without an answer "
        f"({type(exc).__name__}); it may have died: see its log",
        upstream_status=0,
        upstream_kind="connection_lost",
        started=True,
    )


def broken(exc: Exception) -> StreamBrokenError:
    """The body did not come to its end."""
    return StreamBrokenError(
        f"the connection to the upstream broke in mid-answer ({type(exc).__name__}); "
        "ask again, and see the log of its server if this repeats"
    )


def compressed(encoding: str, status: int) -> UpstreamError:
    """A 2xx body that is not readable as it is: we asked for no compression."""
    return UpstreamError(
        f"the upstream compressed its answer ({encoding}) though none was asked for; "
        "switch compression off in whatever stands before it",
        upstream_status=status,
        upstream_kind="unreadable_answer",
        started=True,
    )


def endless(bytes_max: int) -> UpstreamError:
    """A 2xx body that is longer than anything that was asked for."""
    return UpstreamError(
        f"the upstream's answer is longer than {bytes_max} bytes; see what stands at its base_url",
        upstream_status=200,
        upstream_kind="unreadable_answer",
        started=True,
    )


async def error_body(
    read: Callable[[], Awaitable[bytes]], *, breaks: tuple[type[Exception], ...]
) -> bytes:
    """The beginning of an error reply's body: what of it comes soon is enough.

    The status alone says that it refused: a body that `breaks` or hangs must not hide that.
    """
    body = bytearray()
    with suppress(TimeoutError, *breaks):
        async with asyncio.timeout(ERROR_BODY_SECONDS_MAX):
            while len(body) < ERROR_BODY_BYTES_MAX and (piece := await read()):
                body += piece
    return bytes(body[:ERROR_BODY_BYTES_MAX])


def place(url: URL) -> str:
    """Where, without path and query, which may carry secrets."""
    return str(url.origin()) if url.is_absolute() else "the upstream"


def too_long(error: UpstreamError) -> TooLongError | None:
    """The upstream's own word for a prompt that does not fit; our estimate is only that."""
    said = error.upstream_kind in TOO_LONG_KINDS or TOO_LONG_WORDS.search(error.message)
    if said and error.upstream_status in (400, 413):
        return TooLongError(f"{error.message}; shorten the prompt, or ask a tier with more room")
    return None


def said(failed: Failed) -> UpstreamError:
    """A failure that an answer told, as the error it is."""
    return UpstreamError(
        failed.message, upstream_status=failed.status, upstream_kind=failed.kind, started=True
    )


def upstream_status(reply: Reply | None, error: TwotierError | None) -> int:
    """The HTTP status the upstream gave, 0 if it gave none."""
    if isinstance(error, UpstreamError):
        return error.upstream_status
    return 0 if reply is None else reply.status
