"""Names of answers and calls, as the API takes them back."""

from __future__ import annotations

import hashlib
import re

_VALID = re.compile(r"[a-zA-Z0-9_-]+")
_INVALID = re.compile(r"[^a-zA-Z0-9_-]")
# With the digest it stays within the 40 characters that OpenAI's API takes.
_KEPT_CHARS = 27


def valid_id(call_id: str) -> str:
    """The id in the API's alphabet. The same id always gives the same, different ids differ."""
    if _VALID.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:12]
    return _INVALID.sub("_", call_id)[:_KEPT_CHARS] + "_" + digest


def message_id(answer_id: str) -> str:
    """The id of an answer, with the prefix that clients know."""
    if answer_id.startswith("msg_"):
        return answer_id
    return "msg_" + valid_id(answer_id.removeprefix("req_").removeprefix("chatcmpl-") or "0")
