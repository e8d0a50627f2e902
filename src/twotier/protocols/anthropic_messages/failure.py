"""Errors in Anthropic's shape: written for clients, read from upstreams."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from twotier.domain.message import Failed
from twotier.errors import (
    BudgetError,
    MethodError,
    NotFoundError,
    PriceUnknownError,
    ThreadError,
    TooLargeError,
    TooLongError,
    TwotierError,
    UnknownModelError,
    UpstreamError,
)
from twotier.protocols.anthropic_messages.message import STATUS_BY_KIND
from twotier.protocols.wire import read_error_body, retry_after_seconds

_encode = msgspec.json.Encoder().encode
KIND_BY_STATUS = {status: kind for kind, status in STATUS_BY_KIND.items()}
# Ours that OpenAI has another word for.
_KINDS: Mapping[type[TwotierError], str] = {
    BudgetError: "billing_error",
    PriceUnknownError: "billing_error",
    UnknownModelError: "not_found_error",
    NotFoundError: "not_found_error",
    MethodError: "invalid_request_error",
    TooLargeError: "request_too_large",
}
# Said by other upstreams; what is neither here nor Anthropic's is told by its status.
_MEANT = {
    "insufficient_quota": "billing_error",
    "rate_limit_exceeded": "rate_limit_error",
    "server_overloaded": "overloaded_error",
    "server_is_overloaded": "overloaded_error",
    "slow_down": "overloaded_error",
}
# Both families have these two, and OpenAI uses them for what Anthropic has finer words for.
_VAGUE = frozenset({"invalid_request_error", "api_error"})
# The API says 400 and `invalid_request_error` to an account without credit.
_NO_CREDIT = "credit balance is too low"
# Coding clients look for these words, and then make their conversation shorter by themselves.
_TOO_LONG = "prompt is too long"
_NO_DETAILS: Mapping[str, object] = {}
# On these Anthropic's SDK sends the whole conversation, and goes on so.
_THREADLESS: Mapping[str, object] = {"error_code": ThreadError.code, "unsupported": ["thread"]}


def write_error(error: TwotierError) -> bytes:
    """`{"type": "error", "error": {...}}`, with the type that means the same here."""
    message = error.message
    if isinstance(error, TooLongError) and _TOO_LONG not in message:
        message = f"{_TOO_LONG}: {message}"
    details = _THREADLESS if isinstance(error, ThreadError) else _NO_DETAILS
    if isinstance(error, BudgetError) and error.facts:
        details = {"error_code": BudgetError.code, "budget": dict(error.facts)}
    return _object(kind_of(error), message, request_id=error.request_id, details=details)


def write_failed(failed: Failed) -> bytes:
    """The same for an error that came inside an upstream's stream."""
    return _object(_kind(failed.kind, failed.status), failed.message)


def _object(
    kind: str, message: str, *, request_id: str = "", details: Mapping[str, object] = _NO_DETAILS
) -> bytes:
    error = {"type": kind, "message": message, **({"details": details} if details else {})}
    said = {"type": "error", "error": error}
    return _encode({**said, "request_id": request_id} if request_id else said)


def kind_of(error: TwotierError) -> str:
    """The type. An upstream's own is kept if it is one of Anthropic's, else its status speaks."""
    if not isinstance(error, UpstreamError):
        return _KINDS.get(type(error), error.kind)
    if error.upstream_status in (401, 403):
        return "api_error"  # our key was refused, not the client's
    return _kind(error.upstream_kind, error.upstream_status)


def read_error(status: int, body: bytes, *, headers: Mapping[str, str]) -> UpstreamError:
    """A reply without a 2xx status as an error; 529 stays 529. Header names are in lower case.

    The request id goes into the message, because support asks for it. A 500, 502 or 504 without an
    error body comes from something in between, and then the work may have begun (`started`).
    """
    found = read_error_body(body)
    message = found.message if found and found.message else "it gave no reason in JSON"
    request_id = headers.get("request-id", "")
    kind = (found.type if found else None) or _kind("", status)
    return UpstreamError(
        f"Anthropic answered {status}: {message}" + (f" ({request_id})" if request_id else ""),
        upstream_status=status,
        upstream_kind="billing_error" if _NO_CREDIT in message else kind,
        retry_after_seconds=retry_after_seconds(headers),
        started=found is None and status in {500, 502, 504},
    )


def _kind(kind: str, status: int) -> str:
    """This type if it is one of Anthropic's, else the one that belongs to the status."""
    kind = _MEANT.get(kind, kind)
    if kind in STATUS_BY_KIND and kind not in _VAGUE:
        return kind
    if status in KIND_BY_STATUS:
        return KIND_BY_STATUS[status]
    return "invalid_request_error" if 400 <= status < 500 else "api_error"
