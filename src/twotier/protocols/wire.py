"""What all dialects share on the wire: reading typed JSON, and reading error replies.

Reading is strict where a client can mend it (`RequestError` names the field) and where half an
answer could be taken for a whole one (`StreamBrokenError`).
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec

from twotier.domain.message import Failed
from twotier.errors import RequestError, StreamBrokenError

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
MESSAGE_CHARS_MAX = 600
# Of the last user text, for the router.
HEAD_TEXT_CHARS_MAX = 4000
# A page of a document is at most 8,000 tokens (`router.estimate`), and no window is larger than a
# million: more pages than these are refused wherever they are sent.
PAGES_MAX = 125
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_OBJECTS = re.compile(rb"/Type\s*/ObjStm[^>]*>>\s*stream\r?\n")
_INFLATED_BYTES_MAX = 1 << 20  # of one stream; the streams that list pages are small
IMAGE_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)


# A model name as an upstream writes it, and as clients shall read it.
Rename = tuple[str, str]


NO_CALLS = "tool_calls_missing"


def no_calls() -> Failed:
    """A turn that ended for a tool and made no call: its server could not read what came.
    mlx-lm 0.32 has lost the text, too.
    """
    return Failed(
        "the model ended with a tool call and no call could be read; ask again, or another tier",
        NO_CALLS,
        502,
    )


class Order(msgspec.Struct, frozen=True):
    """What an answer must be, where the model could be told it in words only.

    `must_call`: with a call, of `name` if that is set; `single`: with one at most; `schema`: JSON
    that fits it (`{}`: any object), None for free text.
    """

    must_call: bool = False
    name: str = ""
    single: bool = False
    schema: Mapping[str, Any] | None = None


class Outgoing(msgspec.Struct, frozen=True):
    """A body for an upstream, and the fields of the request that could not be said in it.

    `order` is what its answer has to be held to, None for nothing.
    """

    body: bytes
    unsaid: tuple[str, ...] = ()
    order: Order | None = None


def renaming(rename: Rename | None) -> Callable[[bytes], bytes] | None:
    """Puts one model name in place of another wherever an answer's JSON says `"model"`.

    Inside a text the quotes are escaped, so nothing a model wrote is touched.
    """
    if rename is None:
        return None
    theirs, ours = (_encode(name) for name in rename)
    pattern = re.compile(rb'("model"\s*:\s*)' + re.escape(theirs))
    return lambda body: pattern.sub(lambda found: found[1] + ours, body)


def read_client_json(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A client's body, typed. Raises `RequestError` that names the field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise RequestError(_field_sentence(str(exc))) from exc
    except msgspec.DecodeError as exc:
        raise RequestError(f"the body is not JSON: {exc}; send one JSON object") from exc
    except RecursionError as exc:
        raise too_deep() from exc
    except UnicodeDecodeError as exc:
        raise RequestError("the body is not UTF-8; encode it as UTF-8") from exc


def too_deep() -> RequestError:
    """The one sentence for it; where the limit lies (about 1,000 levels) is the parser's choice."""
    return RequestError("the body is nested too deep; flatten its JSON")


def check_text(body: bytes) -> None:
    """Raise `RequestError` unless the body is UTF-8.

    The JSON decoder looks only at what it takes out, and what is passed on or cut out of a body
    must be text all the same.
    """
    if body.isascii():
        return
    try:
        body.decode()
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


def pages_at_most(data: str) -> int:
    """The pages of a PDF that is inline as base64, at most.

    They are counted where the file says them, in the clear or in a compressed list of objects. A
    file that hides them, or that only its URL is known of (`data` is empty), is taken for the
    largest there is. What is no PDF has no pages: it is text, or refused. `data` may be a data URL.
    """
    if not data:
        return PAGES_MAX
    try:
        file = b64decode(data.rpartition(",")[2])
    except ValueError:  # no base64, or not even ASCII
        return PAGES_MAX
    if b"%PDF" not in file[:1024]:
        return 0
    found = len(_PAGE.findall(file))
    for start in _OBJECTS.finditer(file):
        found += len(_PAGE.findall(_inflated(file[start.end() :])))
    return min(found, PAGES_MAX) or PAGES_MAX


def _inflated(stream: bytes) -> bytes:
    """Its beginning; nothing if it is compressed in another way."""
    try:
        return zlib.decompressobj().decompress(stream, _INFLATED_BYTES_MAX)
    except zlib.error:
        return b""
