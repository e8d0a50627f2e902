"""Errors in OpenAI's shape: written for clients, read from upstreams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from twotier.errors import TwotierError, UpstreamError
from twotier.protocols.wire import read_error_body, retry_after_seconds

_encode = msgspec.json.Encoder().encode


def write_error(error: TwotierError) -> bytes:
    """`{"error": {...}}`. An upstream's error keeps its own type, which clients look at."""
    kind = error.upstream_kind if isinstance(error, UpstreamError) else error.kind
    return _encode(error_object(error.message, kind=kind, code=error.code))


def error_object(message: str, *, kind: str, code: str) -> dict[str, Any]:
    """The object that both error replies and error chunks carry."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def read_error(status: int, body: bytes, *, headers: Mapping[str, str]) -> UpstreamError:
    """A reply without a 2xx status as an error. `headers` have names in lower case.

    An error in the server's own words means that it refused the work. A 500, 502 or 504 without
    them comes from something between us and it, and then it may have begun (`started`).
    """
    found = read_error_body(body)
    if found is None:
        message, kind = "it gave no reason in JSON; check base_url and its log", "api_error"
    else:
        code = found.code if isinstance(found.code, str) else None
        message, kind = found.message or "it gave no reason", found.type or code or "api_error"
    return UpstreamError(
        f"the upstream answered {status}: {message}",
        upstream_status=status,
        upstream_kind=kind,
        retry_after_seconds=retry_after_seconds(headers),
        started=found is None and status in {500, 502, 504},
    )
