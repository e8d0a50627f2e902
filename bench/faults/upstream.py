"""The bench's upstream, which breaks to order and remembers whom it lost.

    python -m bench.faults.upstream PORT

What a request meets stands in its own text (`bench:early`), which passes through every gateway, or
holds for all until further notice (`POST /order`): refusals by chance, or silence. `POST /seen` has
what was asked and which answers nobody waited for. A request may carry a number (`bench-id:7`).
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

from bench.upstream import PLAN, PLANS, STREAM_HEAD, STREAMED, Upstream, body, message, piece

NUMBER = re.compile(rb"bench-id:(\d+)")
SEED = 10
SLOW = PLANS["slow"]
SLOW_SECONDS = SLOW.chunks * SLOW.gap_seconds
REFUSALS: Mapping[int, tuple[str, bytes]] = {
    429: ("rate_limit_error", b"Too Many Requests"),
    500: ("api_error", b"Internal Server Error"),
    529: ("overloaded_error", b"Overloaded"),
}
PAGE = b"<!DOCTYPE html><html><body>Please sign in to go on.</body></html>"
WORDS = "word 0 word 1 word 2"
CALL_OF_NONE = "tool_calls"


@dataclass
class Order:
    """What holds for every request: the share that is refused, and whether nobody is answered."""

    share: float = 0.0
    hung: bool = False


@dataclass
class Asked:
    """One numbered request. Times are of the system's monotonic clock, in seconds; `how` it ended
    is "open", "whole" or "left" (the caller closed before the answer was whole).
    """

    began: float
    ended: float = 0.0
    how: str = "open"


@dataclass
class Memory:
    """All that was asked since it was last cleared."""

    order: Order = field(default_factory=Order)
    asked: int = 0
    messages: int = 0  # of them, in the frontier's dialect
    numbered: dict[int, Asked] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    def clear(self) -> None:
        """Before the next of those who are compared; the same chances again."""
        self.asked, self.messages, self.numbered = 0, 0, {}
        self.chance = random.Random(SEED)


MEMORY = Memory()


# Answers that are none: what comes in a body of status 200, and whether it ends as bodies do.


@dataclass(frozen=True, slots=True)
class Broken:
    """`data` of a type; `ends`: the body ends properly, though what is in it does not."""

    data: bytes
    kind: str = "application/json"
    ends: bool = True


EVENTS = "text/event-stream"


def events(*documents: object, messages: bool) -> bytes:
    """As the dialect writes them."""
    lines = []
    for one in documents:
        name = f"event: {one['type']}\n" if messages and isinstance(one, dict) else ""
        lines.append(f"{name}data: {one if isinstance(one, str) else json.dumps(one)}\n\n")
    return "".join(lines).encode()


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of a chat completion."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [choice],
    }


def begun(*, messages: bool) -> bytes:
    """A stream that says some words and has not ended."""
    if not messages:
        return events(chunk({"role": "assistant", "content": WORDS}), messages=False)
    usage = {"input_tokens": 42, "output_tokens": 1}
    return events(
        {"type": "message_start", "message": message(content=[], stop_reason=None, usage=usage)},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": WORDS},
        },
        messages=True,
    )


def error(kind: str = "overloaded_error", text: str = "Overloaded") -> dict[str, Any]:
    """An error object, which both dialects read."""
    return {"type": "error", "error": {"type": kind, "message": text, "code": kind}}


def said(*, messages: bool) -> bytes:
    """An answer in one piece."""
    if messages:
        content = [{"type": "text", "text": WORDS}]
        usage = {"input_tokens": 42, "output_tokens": 9}
        whole = message(content=content, stop_reason="end_turn", usage=usage)
        return json.dumps(whole).encode()
    return json.dumps(completion({"role": "assistant", "content": WORDS}, "stop")).encode()


def completion(spoken: Mapping[str, Any], finish: str) -> dict[str, Any]:
    """A chat completion in one piece."""
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [{"index": 0, "message": dict(spoken), "finish_reason": finish}],
        "usage": {"prompt_tokens": 42, "completion_tokens": 9, "total_tokens": 51},
    }


def no_call(*, stream: bool, messages: bool) -> Broken:
    """It says that it calls a tool, and does not."""
    if messages:
        usage = {"input_tokens": 42, "output_tokens": 9}
        stop = {"stop_reason": "tool_use", "stop_sequence": None}
        if not stream:
            whole = message(content=[], usage=usage, stop_reason="tool_use")
            return Broken(json.dumps(whole).encode())
        start = message(content=[], stop_reason=None, usage=usage)
        data = events(
            {"type": "message_start", "message": start},
            {"type": "message_delta", "delta": stop, "usage": usage},
            {"type": "message_stop"},
            messages=True,
        )
        return Broken(data, EVENTS)
    if not stream:
        spoken = {"role": "assistant", "content": None}
        return Broken(json.dumps(completion(spoken, CALL_OF_NONE)).encode())
    start_, end = chunk({"role": "assistant"}), chunk({}, CALL_OF_NONE)
    return Broken(events(start_, end, "[DONE]", messages=False), EVENTS)


def cut_short(*, stream: bool, messages: bool, ends: bool) -> Broken:
    """Some words, and no end of the answer."""
    if stream:
        return Broken(begun(messages=messages), EVENTS, ends=ends)
    return Broken(said(messages=messages)[:-40], ends=ends)


def half_event(*, stream: bool, messages: bool) -> Broken:
    """JSON that stops in the middle; of a stream, one of its events."""
    if not stream:
        return Broken(said(messages=messages)[:60])
    name = b"event: content_block_delta\n" if messages else b""
    return Broken(begun(messages=messages) + name + b'data: {"type":"content_bl\n\n', EVENTS)


def error_within(*, stream: bool, messages: bool) -> Broken:
    """An error where status 200 has been said."""
    if not stream:
        return Broken(json.dumps(error()).encode())
    end = b"" if messages else events("[DONE]", messages=False)
    return Broken(begun(messages=messages) + events(error(), messages=messages) + end, EVENTS)


def nothing_said(*, stream: bool, messages: bool) -> Broken:
    """A proper form without an answer in it."""
    if not stream:
        if messages:
            return Broken(b"{}")
        return Broken(json.dumps({**completion({}, "stop"), "choices": []}).encode())
    return Broken(b"" if messages else events("[DONE]", messages=False), EVENTS)


LIES: Mapping[str, Callable[..., Broken]] = {
    "early": lambda **how: cut_short(**how, ends=True),
    "cut": lambda **how: cut_short(**how, ends=False),
    "half": half_event,
    "page": lambda **_: Broken(PAGE, "text/html"),
    "nocall": no_call,
    "erring": error_within,
    "nothing": nothing_said,
}


class Faulty(Upstream):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self._open: Asked | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever leaves before the end is remembered with the time."""
        del exc
        self._end("left")

    def _end(self, how: str) -> None:
        if self._open is not None:
            self._open.how, self._open.ended = how, time.monotonic()
            self._open = None

    def _answer(self, head: int, end: int) -> None:
        asked = bytes(self._bytes[:end])
        verb, path = asked.split(b" ", 2)[:2]
        if path == b"/seen":
            counted = {"asked": MEMORY.asked, "messages": MEMORY.messages}
            numbered = {str(number): asdict(one) for number, one in MEMORY.numbered.items()}
            self._write(body({**counted, "numbered": numbered}))
        elif path == b"/order":
            MEMORY.order = Order(**json.loads(asked[head + 4 :]))
            MEMORY.clear()
            self._write(body({}))
        elif verb != b"POST":
            super()._answer(head, end)
        else:
            self._asked(asked, head, end)

    def _asked(self, asked: bytes, head: int, end: int) -> None:
        messages = b"/messages" in asked[: asked.find(b"\n")]
        MEMORY.asked += 1
        MEMORY.messages += messages
        if number := NUMBER.search(asked, head):
            self._open = MEMORY.numbered[int(number[1])] = Asked(time.monotonic())
        if MEMORY.order.hung:
            return
        if MEMORY.chance.random() < MEMORY.order.share:
            self._refuse()
            return
        named = PLAN.search(asked, head)
        plan = named[1].decode() if named else ""
        stream = STREAMED.search(asked, head) is not None
        if make := LIES.get(plan):
            self._lie(make(stream=stream, messages=messages))
        elif plan == "slow" and not stream:
            self._later(SLOW_SECONDS, self._whole, messages)
        else:
            super()._answer(head, end)
            if not (stream and PLANS[plan].gap_seconds):
                self._end("whole")

    def _refuse(self) -> None:
        status = MEMORY.chance.choice(list(REFUSALS))
        kind, reason = REFUSALS[status]
        data = json.dumps(error(kind, reason.decode())).encode()
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._write(head % (status, reason, len(data)) + data)
        self._end("whole")

    def _lie(self, broken: Broken) -> None:
        head = STREAM_HEAD.replace(EVENTS.encode(), broken.kind.encode())
        self._write(head + (piece(broken.data) if broken.data else b""))
        if broken.ends:
            self._write(b"0\r\n\r\n")
        else:
            assert self._transport is not None
            self._transport.close()
        self._end("whole")

    def _whole(self, messages: bool) -> None:  # called by a timer
        self._write(self._wholes[messages])
        self._end("whole")

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(data)

    def _next(self, pieces: list[bytes], at: int, gap_seconds: float) -> None:
        if MEMORY.order.hung:
            return
        super()._next(pieces, at, gap_seconds)
        if at + 1 == len(pieces):
            self._end("whole")


async def serve(port: int) -> None:
    """Until it is ended."""
    server = await asyncio.get_running_loop().create_server(Faulty, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
