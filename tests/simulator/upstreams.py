"""Both upstreams: what they answer, what they charge, and how they misbehave.

They speak HTTP/1.1 by their own small server over the virtual wire, so that the product's HTTP
client, its deadlines and its parsers are the real ones. Nothing of the product is used to write
what they say. A question ends with `say N words`, and its answer is just that.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tests.simulator.loop import Universe

WORDS = re.compile(r"say (\d+) words")
AT_ONCE = 4  # words in one event
MICROUSD_IN, MICROUSD_OUT = 5, 25  # claude-opus-4-6, a token
HTML = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"
REFUSALS = {
    "429": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "500": (500, "api_error", "Internal server error"),
    "529": (529, "overloaded_error", "Overloaded"),
}
FRONTIER_FAULTS = (
    *REFUSALS,
    *("hang-up", "silent", "cut", "clean-cut", "stall", "error-in-stream", "html"),
)
LOCAL_FAULTS = ("404", "500", "hang-up", "cut", "clean-cut", "stall", "error-in-stream", "html")


def answer_text(words: int) -> str:
    """What such an answer says."""
    return " ".join(["word"] * words)


@dataclass
class Row:
    """One request on the bill, which counts while it is being answered."""

    at: float
    input_tokens: int
    output_tokens: int = 0
    whole: bool = False

    @property
    def microusd(self) -> int:
        """What it costs."""
        return MICROUSD_IN * self.input_tokens + MICROUSD_OUT * self.output_tokens


@dataclass(frozen=True)
class Fault:
    """Between two moments a share of the requests meets one of these."""

    begin: float
    end: float
    share: float
    kinds: Sequence[str]


class Call:
    """One request that came, and the way to answer it."""

    def __init__(self, transport: asyncio.Transport, path: str, body: Any) -> None:
        self.path = path
        self.body = body
        self._transport = transport

    def whole(self, status: int, body: Any, **headers: str) -> None:
        """An answer in one piece."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, bytes) else "application/json"
        self._head(status, {"content-type": kind, "content-length": str(len(raw)), **headers}, raw)

    def begin(self) -> None:
        """The head of a stream."""
        self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})

    def piece(self, text: str) -> None:
        """A piece of it."""
        raw = text.encode()
        self._transport.write(b"%x\r\n%b\r\n" % (len(raw), raw))

    def end(self) -> None:
        """The stream ends as HTTP wants it."""
        self._transport.write(b"0\r\n\r\n")

    def abort(self) -> None:
        """The connection breaks."""
        self._transport.abort()

    def _head(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._transport.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)


Handler = Callable[[Call], Awaitable[None]]
Say = Callable[..., None]


class Served(asyncio.Protocol):
    """One connection of a server. Whoever it talks to may leave; then its work is cancelled."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._raw = b""
        self.port = 0
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._raw += data
        head, found, body = self._raw.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
        if len(body) < length:
            return
        self._raw = body[length:]
        call = Call(self._transport, head.split()[1].decode(), json.loads(body[:length]))
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._answered(call))

    async def _answered(self, call: Call) -> None:
        await self._handler(call)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()


class Upstream:
    """What both have in common. `seconds` is the time of one event."""

    def __init__(
        self, universe: Universe, faults: Sequence[Fault], say: Callable[..., None]
    ) -> None:
        self.universe = universe
        self.faults = list(faults)
        self.say = say
        self.seconds = (0.002, 0.4)

    def fault(self) -> str:
        """What the next request meets; empty for an ordinary answer."""
        now, chance = self.universe.now, self.universe.chance
        for one in self.faults:
            if one.begin <= now < one.end and chance.random() < one.share:
                return chance.choice(one.kinds)
        return ""

    async def pause(self) -> None:
        """Between two events."""
        await asyncio.sleep(self.universe.chance.uniform(*self.seconds))

    async def for_ever(self) -> None:
        """Until the caller leaves."""
        await asyncio.get_running_loop().create_future()


class Frontier(Upstream):
    """Anthropic's API and its bill."""

    def __init__(
        self, universe: Universe, faults: Sequence[Fault], say: Callable[..., None]
    ) -> None:
        super().__init__(universe, faults, say)
        self.bill: list[Row] = []
        self.seen = 0
        self.told: Callable[[], None] = lambda: None

    async def __call__(self, call: Call) -> None:
        """One request."""
        self.seen += 1
        fault, words = self.fault(), words_of(call.body)
        self.say("frontier", call=self.seen, words=words, fault=fault)
        if fault in REFUSALS:
            return self._refuse(call, fault)
        if fault == "html":
            return call.whole(200, HTML)
        row = Row(self.universe.now, prompt_tokens(call.body))
        if fault in ("hang-up", "silent"):  # it may have begun, and charge for it
            self.bill += [row] if self.universe.chance.random() < 0.5 else []
            await (self.for_ever() if fault == "silent" else self._hang_up(call))
            return None
        self.bill.append(row)
        return await self._stream(call, row, words=words, fault=fault)

    def _refuse(self, call: Call, fault: str) -> None:
        status, kind, message = REFUSALS[fault]
        chance, headers = self.universe.chance, {}
        if status != 500 and chance.random() < 0.6:
            headers["retry-after"] = str(chance.choice((1, 3, 20)))
        error = {"type": "error", "error": {"type": kind, "message": message}}
        call.whole(status, error, **headers)

    async def _hang_up(self, call: Call) -> None:
        await self.pause()
        call.abort()

    async def _stream(self, call: Call, row: Row, *, words: int, fault: str) -> None:
        limit = int(call.body["max_tokens"])
        assert call.body["stream"], "the frontier is always asked for a stream"
        stop = "end_turn" if words <= limit else "max_tokens"
        words = min(words, limit)
        breaks_at = self.universe.chance.randint(0, words) if fault else -1
        usage = {"input_tokens": row.input_tokens, "output_tokens": 1}
        head = {
            "id": f"msg_{self.seen}",
            "type": "message",
            "role": "assistant",
            "model": call.body["model"],
            "content": [],
            "stop_reason": None,
            "usage": usage,
        }
        row.output_tokens = 1
        await self.pause()
        call.begin()
        call.piece(event("message_start", message=head))
        block = {"type": "text", "text": ""}
        call.piece(event("content_block_start", index=0, content_block=block))
        row.output_tokens = 0
        for said, piece in pieces(words):
            await self.pause()
            if 0 <= breaks_at <= said:
                return await self._broken(call, fault)
            row.output_tokens = said
            delta = {"type": "text_delta", "text": piece}
            call.piece(event("content_block_delta", index=0, delta=delta))
        if fault:
            return await self._broken(call, fault)
        call.piece(event("content_block_stop", index=0))
        end = {"stop_reason": stop, "stop_sequence": None}
        call.piece(event("message_delta", delta=end, usage={"output_tokens": words}))
        row.whole = True
        self.told()
        call.piece(event("message_stop"))
        return call.end()

    async def _broken(self, call: Call, fault: str) -> None:
        match fault:
            case "cut":
                call.abort()
            case "clean-cut":
                call.end()
            case "stall":
                await self.for_ever()
            case _:
                error = {"type": "overloaded_error", "message": "Overloaded"}
                call.piece(event("error", error=error))
                call.end()


class Local(Upstream):
    """A local server's side of the wire; its process is somebody else's."""

    async def __call__(self, call: Call) -> None:
        """One request: a probe, or a chat."""
        probe = call.body["max_tokens"] == 1
        fault = "" if probe else self.fault()
        words = 1 if probe else words_of(call.body)
        if not probe:
            self.say("local", words=words, fault=fault)
        if fault == "404":
            return call.whole(404, {"error": "the generation thread died"})
        if fault == "500":
            error = {"message": "out of memory", "type": "server_error", "code": 500}
            return call.whole(500, {"error": error})
        if fault == "html":
            return call.whole(200, HTML)
        await self.pause()
        if fault == "hang-up":
            return call.abort()
        if call.body.get("stream"):
            return await self._stream(call, words, fault=fault)
        message = {"role": "assistant", "content": answer_text(words)}
        choice = {"index": 0, "message": message, "finish_reason": "length" if probe else "stop"}
        usage = {"prompt_tokens": 20, "completion_tokens": words, "total_tokens": 20 + words}
        base = {"id": "c", "object": "chat.completion", "created": 1, "model": call.body["model"]}
        return call.whole(200, {**base, "choices": [choice], "usage": usage})

    async def _stream(self, call: Call, words: int, *, fault: str) -> None:
        breaks_at = self.universe.chance.randint(0, words) if fault else -1
        start = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}

        def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return f"data: {json.dumps({**start, 'choices': [choice]})}\n\n"

        call.begin()
        call.piece(chunk({"role": "assistant", "content": ""}))
        for said, piece in pieces(words):
            await self.pause()
            if 0 <= breaks_at <= said:
                return await self._broken(call, fault)
            call.piece(chunk({"content": piece}))
        if fault:
            return await self._broken(call, fault)
        call.piece(chunk({}, "stop"))
        usage = {"prompt_tokens": 20, "completion_tokens": words, "total_tokens": 20 + words}
        if (call.body.get("stream_options") or {}).get("include_usage"):
            call.piece(f"data: {json.dumps({**start, 'choices': [], 'usage': usage})}\n\n")
        call.piece("data: [DONE]\n\n")
        return call.end()

    async def _broken(self, call: Call, fault: str) -> None:
        match fault:
            case "cut":
                call.abort()
            case "clean-cut":
                call.end()
            case "stall":
                await self.for_ever()
            case _:
                error = {"message": "out of memory", "type": "server_error", "code": 500}
                call.piece(f"data: {json.dumps({'error': error})}\n\n")
                call.end()


def event(kind: str, **more: Any) -> str:
    """One of Anthropic's."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n"


def pieces(words: int) -> Iterator[tuple[int, str]]:
    """How many words are said after each piece, and the piece."""
    for first in range(0, words, AT_ONCE):
        last = min(first + AT_ONCE, words)
        yield last, (" " if first else "") + answer_text(last - first)


def words_of(body: Any) -> int:
    """How long the answer is to be."""
    return int(WORDS.findall(json.dumps(body))[-1])


def prompt_tokens(body: Any) -> int:
    """A word is a token."""
    texts = json.dumps([body.get("system", ""), body["messages"]])
    return len(texts.split())
