"""Errors in mid-stream, in the two forms that clients of this dialect look for.

The openai SDK raises what has an `error` object, whatever the event is called; Codex hears only
`response.failed`, and decides by its `code` whether to ask again. So a stream that fails ends with
one of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twotier.domain.message import Failed
from twotier.errors import (
    BudgetError,
    PriceUnknownError,
    QueueFullError,
    RequestError,
    TooLongError,
    TwotierError,
    UpstreamError,
)

# The codes a client knows, by what happened; the first that fits counts.
_CODE_BY_CLASS: tuple[tuple[type[TwotierError], str], ...] = (
    (TooLongError, "context_length_exceeded"),
    (RequestError, "invalid_prompt"),
    (BudgetError, "insufficient_quota"),
    (PriceUnknownError, "insufficient_quota"),
    (QueueFullError, "rate_limit_exceeded"),
)
_CODE_BY_STATUS: Mapping[int, str] = {
    400: "invalid_prompt",
    402: "insufficient_quota",
    413: "context_length_exceeded",
    429: "rate_limit_exceeded",
    503: "server_is_overloaded",
    529: "server_is_overloaded",
}
_KINDS_OF_THEIR_OWN = frozenset({"insufficient_quota", "context_length_exceeded"})
_ANY = "server_error"


def of_error(error: TwotierError) -> dict[str, Any]:
    """One of our errors as an `error` object."""
    if isinstance(error, UpstreamError):
        kind, code = error.upstream_kind, _code(error.upstream_kind, error.upstream_status)
    else:
        codes = (code for one, code in _CODE_BY_CLASS if isinstance(error, one))
        kind, code = error.kind, next(codes, _ANY)
    return _object(error.message, kind=kind, code=code)


def of_event(failed: Failed) -> dict[str, Any]:
    """An upstream's error inside its stream as an `error` object."""
    return _object(failed.message, kind=failed.kind, code=_code(failed.kind, failed.status))


def _code(kind: str, status: int) -> str:
    return kind if kind in _KINDS_OF_THEIR_OWN else _CODE_BY_STATUS.get(status, _ANY)


def _object(message: str, *, kind: str, code: str) -> dict[str, Any]:
    return {"type": kind, "code": code, "message": message, "param": None}
