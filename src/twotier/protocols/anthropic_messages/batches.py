"""Message Batches on the wire (https://platform.claude.com/docs/en/api/creating-message-batches).

A batch is told by its counts, never by the names of its requests: those stand in its results only,
one JSON object a line, in any order.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from twotier.domain.batch import Batch, Kind, Page, Result
from twotier.errors import StreamBrokenError
from twotier.protocols.anthropic_messages.message import STATUS_BY_KIND
from twotier.protocols.wire import read_upstream_json

PATH = "/messages/batches"


class _Counts(msgspec.Struct):
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


class _Batch(msgspec.Struct):
    id: str
    processing_status: str
    created_at: datetime
    request_counts: _Counts

    def neutral(self) -> Batch:
        """Whatever it is called while it has not ended, there is nothing to read yet."""
        requests = sum(msgspec.structs.astuple(self.request_counts))
        return Batch(self.id, self.processing_status == "ended", requests, self.created_at)


class _Page(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False
    last_id: str | None = None


class _Said(msgspec.Struct):
    type: str = ""


class _Error(msgspec.Struct):
    error: _Said


class _Outcome(msgspec.Struct):
    type: Kind
    message: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


class _Line(msgspec.Struct):
    custom_id: str
    result: _Outcome


class _Request(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


_BATCH = msgspec.json.Decoder(_Batch)
_PAGE = msgspec.json.Decoder(_Page)
_LINE = msgspec.json.Decoder(_Line)
_ERROR = msgspec.json.Decoder(_Error)
_encode = msgspec.json.Encoder().encode


def write_batch(custom_id: str, body: bytes) -> bytes:
    """A batch of one request. `body` is that of a Messages call without a stream."""
    return _encode({"requests": [_Request(custom_id, msgspec.Raw(body))]})


def read_batch(body: bytes) -> Batch:
    """How a batch stands. Raises `StreamBrokenError` for what is none."""
    return read_upstream_json(_BATCH, body, what="a batch").neutral()


def read_page(body: bytes) -> Page:
    """Batches of the account, the newest first. Raises `StreamBrokenError`."""
    page = read_upstream_json(_PAGE, body, what="a list of batches")
    after = (page.last_id or "") if page.has_more else ""
    return Page(tuple(one.neutral() for one in page.data), after)


def read_result(body: bytes, custom_id: str) -> Result | None:
    """What became of this request; None where the results do not name it.

    Raises `StreamBrokenError` for a file that is cut or no such file.
    """
    for line in body.splitlines():
        if not line.strip():
            continue
        found = read_upstream_json(_LINE, line, what="the results of a batch")
        if found.custom_id == custom_id:
            return _result(found.result)
    return None


def _result(outcome: _Outcome) -> Result:
    if outcome.type == "succeeded":
        if not bytes(outcome.message):
            raise StreamBrokenError("a batch succeeded without an answer; look at its results")
        return Result(outcome.type, 200, bytes(outcome.message))
    if outcome.type != "errored":
        return Result(outcome.type)
    error = bytes(outcome.error) or b"{}"
    try:
        kind = _ERROR.decode(error).error.type
    except msgspec.DecodeError:
        kind = ""
    return Result(outcome.type, STATUS_BY_KIND.get(kind, 500), error)
