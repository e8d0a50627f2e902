"""What all dialects share on the wire: reading typed JSON, and reading error replies.

Reading is strict where a client can mend it (`RequestError` names the field) and where half an
answer could be taken for a whole one (`StreamBrokenError`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from twotier.errors import RequestError, StreamBrokenError

T = TypeVar("T")
MESSAGE_CHARS_MAX = 600
IMAGE_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A body for an upstream, and the fields of the request that could not be said in it."""

    body: bytes
    unsaid: tuple[str, ...] = ()


def read_client_json(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A client's body, typed. Raises `RequestError` that names the field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise RequestError(_field_sentence(str(exc))) from exc
    except msgspec.DecodeError as exc:
        raise RequestError(f"the body is not JSON: {exc}; send one JSON object") from exc
    except RecursionError as exc:
        raise RequestError("the body is nested too deep; flatten its JSON") from exc
    except UnicodeDecodeError as exc:
        raise RequestError("the body is not UTF-8; encode it as UTF-8") from exc


def read_upstream_json(decoder: msgspec.json.Decoder[T], data: bytes, *, what: str) -> T:
    """A piece of an upstream's answer, typed. `StreamBrokenError` if it is anything else."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise StreamBrokenError(
            f"the upstream sent {what} that cannot be read ({exc}); "
            "check that base_url points to a server of this dialect"
        ) from exc


def _field_sentence(problem: str) -> str:
    """From "Expected `int`, got `str` - at `$.a[0].b`" to "a[0].b: expected int, got str"."""
    what, _, path = problem.partition(" - at ")
    field = path.strip("`").removeprefix("$").removeprefix(".").replace("[...]", "[]")
    what = what.replace("`", "").removeprefix("Expected ").removeprefix("expected ")
    if not field:
        return f"the body must be one JSON object (expected {what})"
    return f"{field}: expected {what}" if "got" in what else f"{field}: {what}"


class ErrorFields(msgspec.Struct):
    """The fields that error objects of all dialects use."""

    message: str = ""
    type: str | None = None
    code: str | int | None = None


class ErrorBody(msgspec.Struct):
    """`{"error": {...}}`, `{"error": "text"}` (mlx-lm), or the fields at the top (vLLM)."""

    error: ErrorFields | str | None = None
    message: str = ""
    type: str | None = None
    detail: str | None = None  # FastAPI servers
    request_id: str | None = None


_ERROR_BODY = msgspec.json.Decoder(ErrorBody)


def read_error_body(body: bytes) -> ErrorFields | None:
    """The error a reply describes, or None if it is not an error body of any known form."""
    try:
        found = _ERROR_BODY.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if isinstance(found.error, str):
        return ErrorFields(shortened(found.error))
    if found.error is not None:
        return msgspec.structs.replace(found.error, message=shortened(found.error.message))
    text = found.message or found.detail or ""
    return ErrorFields(shortened(text), found.type) if text else None


def shortened(text: str) -> str:
    """At most `MESSAGE_CHARS_MAX` characters on one line: upstreams quote whole prompts."""
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_CHARS_MAX else line[:MESSAGE_CHARS_MAX] + " ..."


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """When the upstream wants to be asked again: `retry-after-ms`, or `retry-after` in either form.

    An HTTP date is counted from the reply's own `date`, so that no clock is needed. Names of
    `headers` are in lower case.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    try:
        until, now = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # a wrong date, or one with a zone and one without
        return None


def _number(text: str) -> float | None:
    """A plain non-negative decimal number, as HTTP writes them; no `inf`, no `nan`."""
    return float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", text.strip()) else None


def media_type_and_data(url: str) -> tuple[str, str] | None:
    """`data:image/png;base64,AAAA` taken apart; None for an ordinary URL."""
    found = IMAGE_DATA_URL.match(url)
    return (found[1], url[found.end() :]) if found else None
