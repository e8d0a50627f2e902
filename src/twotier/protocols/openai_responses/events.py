"""The events of a Responses stream as bytes, numbered."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.protocols.sse import encode

_encode = msgspec.json.Encoder().encode


class Events:
    """Writes events; each has the number after the one before."""

    def __init__(self, first: int = 0) -> None:
        self.next = first

    def event(self, kind: str, **fields: Any) -> bytes:
        """One event."""
        number = self.next
        self.next = number + 1
        return encode(_encode({"type": kind, "sequence_number": number, **fields}), kind)

    def failure(self, error: dict[str, Any], response: dict[str, Any]) -> bytes:
        """The two events that end a stream which failed; `error` is of `failure`."""
        told = {name: error[name] for name in ("code", "message", "param")}
        shown = {name: error[name] for name in ("code", "message")}
        return self.event("error", **told, error=error) + self.event(
            "response.failed", response={**response, "error": shown}
        )
