"""A model server that costs next to nothing, so that what is measured is what stands before it.

    python upstream.py PORT

Raw asyncio, HTTP/1.1 with keep-alive, two fixed answers: whole, or fifty chunks two milliseconds
apart (each arrives by itself, as a model's tokens do). It reads of a request only its length and
whether it wants a stream.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any, cast

import uvloop

CHUNKS = 50
PACE_SECONDS = 0.002
STREAMED = re.compile(rb'"stream"\s*:\s*true')
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
WORDS = "What you ask for is three lines long, and here they are, as short as can be. "

_USAGE = {
    "prompt_tokens": 42,
    "completion_tokens": CHUNKS,
    "total_tokens": 42 + CHUNKS,
    "prompt_tokens_details": {"cached_tokens": 21},
}


def whole() -> bytes:
    """The answer to a request without a stream, head and all."""
    message = {"role": "assistant", "content": WORDS * 3}
    body = json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "bench",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": _USAGE,
        }
    ).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def stream() -> list[bytes]:
    """The pieces of a streamed answer; the first carries the head, the last ends the body."""
    start = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "bench",
    }

    def event(choices: list[dict[str, Any]], **more: object) -> bytes:
        data = b"data: " + json.dumps({**start, "choices": choices, **more}).encode() + b"\n\n"
        return b"%x\r\n%s\r\n" % (len(data), data)

    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    piece = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    done = b"data: [DONE]\n\n"
    return [
        head + event([first]),
        *(event([piece]) for _ in range(CHUNKS)),
        event([last]) + event([], usage=_USAGE) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done),
    ]


class Upstream(asyncio.Protocol):
    """One connection."""

    _whole = whole()
    _stream = stream()

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._bytes = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        while (head := self._bytes.find(HEAD_END)) >= 0:
            length = LENGTH.search(self._bytes, 0, head)
            end = head + len(HEAD_END) + (int(length[1]) if length else 0)
            if len(self._bytes) < end:
                return
            self._answer(streamed=STREAMED.search(self._bytes, head, end) is not None)
            del self._bytes[:end]

    def _answer(self, *, streamed: bool) -> None:
        assert self._transport is not None
        if streamed:
            self._write(0)
        else:
            self._transport.write(self._whole)

    def _write(self, at: int) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        self._transport.write(self._stream[at])
        if at + 1 < len(self._stream):
            asyncio.get_running_loop().call_later(PACE_SECONDS, self._write, at + 1)


async def serve(port: int) -> None:
    """Until it is ended."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
