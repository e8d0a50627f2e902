"""A model server that costs next to nothing, so that what is measured is what stands before it.

    python upstream.py PORT

Raw asyncio, HTTP/1.1 with keep-alive, fixed answers in the two dialects that upstreams speak. It
reads of a request only its path, its length, whether it wants a stream, and the name of a plan in
its text (`bench:paced`), which passes through every gateway. A chunk is a write of its own: a
model's tokens come one by one.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, cast

import uvloop

CHUNKS = 50
FULL_SECONDS = 0.001  # until a full socket is tried again
STREAMED = re.compile(rb'"stream"\s*:\s*true')
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
PLAN = re.compile(rb"bench:([a-z]+)")
HEAD_END = b"\r\n\r\n"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
BODY_END = b"0\r\n\r\n"
# There are gateways that end a stream of one word, and ours asks another tier where an answer goes
# round in circles.
WORDS = tuple(f"word {at} " for at in range(100))
TEXT = "What you ask for is three lines long, and here they are, as short as can be. " * 3
INPUT_TOKENS = 42


@dataclass(frozen=True, slots=True)
class Plan:
    """How a streamed answer comes: so many chunks, all at once (a gap of 0) or apart."""

    chunks: int = CHUNKS
    gap_seconds: float = 0.0


PLANS: Mapping[str, Plan] = {
    "": Plan(),
    "paced": Plan(8, 0.002),
    "long": Plan(5_000),
    "crowd": Plan(20, 1.0),
    "slow": Plan(40, 0.1),
    "costly": Plan(50, 0.04),
}


def body(document: Mapping[str, Any]) -> bytes:
    """An answer in one piece, head and all."""
    data = json.dumps(document).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(data) + data


def piece(data: bytes) -> bytes:
    """A piece of a body whose length nobody knows."""
    return b"%x\r\n%s\r\n" % (len(data), data)


# Chat completions.


def chat_usage(chunks: int) -> dict[str, Any]:
    """Half of the prompt came from a cache, so that there is something to tell apart."""
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": chunks,
        "total_tokens": INPUT_TOKENS + chunks,
        "prompt_tokens_details": {"cached_tokens": INPUT_TOKENS // 2},
    }


def chat_whole() -> bytes:
    """A chat completion."""
    message = {"role": "assistant", "content": TEXT}
    return body(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "bench",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": chat_usage(CHUNKS),
        }
    )


def chat_stream(chunks: int) -> list[bytes]:
    """The writes of a streamed chat completion: head and role, each word, the end."""
    start = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "bench",
    }

    def event(choices: Iterable[Mapping[str, Any]], **more: object) -> bytes:
        told = {**start, "choices": [{"index": 0, **choice} for choice in choices], **more}
        return piece(b"data: " + json.dumps(told).encode() + b"\n\n")

    role = event([{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
    words = [event([{"delta": {"content": word}, "finish_reason": None}]) for word in WORDS]
    last = event([{"delta": {}, "finish_reason": "stop"}])
    usage = event([], usage=chat_usage(chunks))
    done = piece(b"data: [DONE]\n\n")
    return [STREAM_HEAD + role, *islice(cycle(words), chunks), last + usage + done + BODY_END]


# Messages.


def message(**more: object) -> dict[str, Any]:
    """The head of a Messages answer."""
    return {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "bench",
        "stop_sequence": None,
        **more,
    }


def messages_usage(output_tokens: int) -> dict[str, int]:
    """As in the chat completion."""
    return {
        "input_tokens": INPUT_TOKENS // 2,
        "cache_read_input_tokens": INPUT_TOKENS // 2,
        "output_tokens": output_tokens,
    }


def messages_whole() -> bytes:
    """A Messages answer."""
    content = [{"type": "text", "text": TEXT}]
    return body(message(content=content, stop_reason="end_turn", usage=messages_usage(CHUNKS)))


def messages_stream(chunks: int) -> list[bytes]:
    """The writes of a streamed Messages answer: head and start, each word, the end."""

    def event(kind: str, **more: object) -> bytes:
        data = json.dumps({"type": kind, **more}).encode()
        return piece(b"event: %s\ndata: %s\n\n" % (kind.encode(), data))

    begun = message(content=[], stop_reason=None, usage=messages_usage(1))
    start = event("message_start", message=begun) + event(
        "content_block_start", index=0, content_block={"type": "text", "text": ""}
    )
    words = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        for word in WORDS
    ]
    end = (
        event("content_block_stop", index=0)
        + event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage=messages_usage(chunks),
        )
        + event("message_stop")
    )
    return [STREAM_HEAD + start, *islice(cycle(words), chunks), end + BODY_END]


class Upstream(asyncio.Protocol):
    """One connection."""

    _models = body({"object": "list", "data": [{"id": "bench", "object": "model", "created": 1}]})
    _wholes = (chat_whole(), messages_whole())
    _streams: Mapping[str, tuple[list[bytes], list[bytes]]] = {
        name: (chat_stream(plan.chunks), messages_stream(plan.chunks))
        for name, plan in PLANS.items()
    }

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._file = -1
        self._bytes = bytearray()
        self._later: Callable[..., object] = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._file = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        while (head := self._bytes.find(HEAD_END)) >= 0:
            length = LENGTH.search(self._bytes, 0, head)
            end = head + len(HEAD_END) + (int(length[1]) if length else 0)
            if len(self._bytes) < end:
                return
            self._answer(head, end)
            del self._bytes[:end]

    def _answer(self, head: int, end: int) -> None:
        assert self._transport is not None
        asked = self._bytes
        if not asked.startswith(b"POST"):
            self._transport.write(self._models)
            return
        messages = asked.find(b"/messages", 0, asked.find(b"\n")) >= 0
        # A search for the plain word first: the whole pattern takes long over a long body.
        at = asked.find(b'"stream"', head, end)
        if at < 0 or not STREAMED.match(asked, at, end):
            self._transport.write(self._wholes[messages])
            return
        named = PLAN.search(asked, head, end)
        name = named[1].decode() if named else ""
        pieces, gap = self._streams[name][messages], PLANS[name].gap_seconds
        if gap:
            # The first word comes at once, so that no timer blurs when it was sent.
            self._now(pieces[:2])
            self._paced(pieces, 2, gap)
        else:
            self._now(pieces)

    def _now(self, pieces: list[bytes]) -> None:
        """Each piece by a write of its own; a transport would put them together."""
        for at, data in enumerate(pieces):
            try:
                sent = os.write(self._file, data)
            except BlockingIOError:
                sent = 0
            except OSError:  # the caller left, and the transport will hear of it
                return
            if sent < len(data):
                self._later(FULL_SECONDS, self._now, [data[sent:], *pieces[at + 1 :]])
                return

    def _paced(self, pieces: list[bytes], at: int, gap_seconds: float) -> None:
        if at < len(pieces):
            self._later(gap_seconds, self._next, pieces, at, gap_seconds)

    def _next(self, pieces: list[bytes], at: int, gap_seconds: float) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():  # else the caller left
            self._transport.write(pieces[at])
            self._paced(pieces, at + 1, gap_seconds)


async def serve(port: int) -> None:
    """Until it is ended."""
    server = await asyncio.get_running_loop().create_server(
        Upstream, "127.0.0.1", port, backlog=2048
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
