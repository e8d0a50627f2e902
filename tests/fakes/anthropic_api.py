"""A faithful fake of the Anthropic Messages API: the true wire format, strict rules, its own bill.

    with FakeAnthropic() as fake:
        client = anthropic.Anthropic(base_url=fake.base_url, api_key=fake.key, max_retries=0)

What it answers is decided by `mind`; how it misbehaves by a `Behaviour`, queued on the object for
the next request or named in the prompt (`fake:529`). Everything it charges is a row of `bill`.
Sources: https://platform.claude.com/docs/en/api/messages, .../api/errors, .../api/rate-limits,
.../build-with-claude/streaming and prompt-caching.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from aiohttp import web

from tests.fakes.anthropic_batches import FakeBatches
from tests.fakes.anthropic_bill import PRICES, Cache, Row, prompt_tokens
from tests.fakes.anthropic_rules import (
    VERSIONS,
    InvalidError,
    blocks,
    check,
    check_count,
    check_version,
    joined,
)
from tests.fakes.mind import Mind, Said, Thought, answer, tokens
from tests.fakes.serving import Served

OUTPUT_TOKENS_MAX = 128_000


class Behaviour(StrEnum):
    """What may go wrong, and what to write into a prompt for it."""

    RATE_LIMITED = "fake:429"
    BROKEN = "fake:500"
    OVERLOADED = "fake:529"
    OVERLOADED_IN_STREAM = "fake:overloaded-in-stream"
    CUT = "fake:cut"  # the connection breaks in mid-answer
    CLEAN_CUT = "fake:clean-cut"  # the body ends properly, the answer does not
    STALL = "fake:stall"  # a few words, then silence until the caller leaves
    SILENT = "fake:silent"  # not even a head
    HTML = "fake:html"
    HTML_ERROR = "fake:bad-gateway"  # 502 from something in between
    HANG_UP = "fake:hang-up"  # closes before any reply
    REFUSAL = "fake:refusal"
    PAUSE = "fake:pause"
    WINDOW = "fake:window"


_ERRORS = {
    Behaviour.RATE_LIMITED: (429, "rate_limit_error", "This request would exceed your rate limit."),
    Behaviour.BROKEN: (500, "api_error", "Internal server error"),
    Behaviour.OVERLOADED: (529, "overloaded_error", "Overloaded"),
}
_STOPS = {
    Behaviour.REFUSAL: "refusal",
    Behaviour.PAUSE: "pause_turn",
    Behaviour.WINDOW: "model_context_window_exceeded",
}
_HTML = "<!DOCTYPE html><html><body>Sign in to the network</body></html>"
_WORDS_BEFORE_TROUBLE = 3


class FakeAnthropic(Served):
    """See the module. `bodies` are the requests that passed validation, oldest first.

    `queries` are their query strings, `counted` the bodies whose tokens were counted, for nothing.
    `pace_seconds` is waited between streamed events. `cache_tokens_min` is 4,096 for Opus 4.6; a
    smaller one makes small tests possible. `headers` holds the request headers, `retry_after` the
    header that 429 and 529 carry. `joins_turns`: two turns of one role are one, as in the real API;
    without it they are refused, so that nobody of ours writes them.
    """

    def __init__(
        self,
        *,
        key: str = "sk-ant-fake-0001",
        pace_seconds: float = 0.0,
        cache_tokens_min: int = 4096,
        retry_after: str = "7",
        mind: Mind = answer,
        joins_turns: bool = False,
    ) -> None:
        super().__init__()
        self.key = key
        self.mind = mind
        self._joins_turns = joins_turns
        self.bill: list[Row] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.queries: list[str] = []
        self.counted: list[dict[str, Any]] = []
        self.batches = FakeBatches(self, lambda: self.base_url)
        self._pace_seconds = pace_seconds
        self._retry_after = retry_after
        self._queue: deque[Behaviour | None] = deque()
        self._cache = Cache(cache_tokens_min)
        self._signatures: dict[str, str] = {}
        self._requests = 0

    @property
    def billed_microusd(self) -> int:
        """The sum of the bill."""
        return sum(row.microusd for row in self.bill)

    def queue(self, *behaviours: Behaviour | None) -> None:
        """What the next requests meet, one each; None for an ordinary answer."""
        self._queue.extend(behaviours)

    def unqueue(self) -> None:
        """The next requests meet nothing odd."""
        self._queue.clear()

    def application(self) -> web.Application:
        """`POST /v1/messages`, `/v1/messages/count_tokens`, the batches, and nothing else."""
        application = web.Application(client_max_size=32 * 1024 * 1024)
        application.router.add_post("/v1/messages", self._messages)
        application.router.add_post("/v1/messages/count_tokens", self._count)
        self.batches.add_to(application.router)
        return application

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body, request_id = await self._read(request)
        if isinstance(body, web.Response):
            return body
        self.bodies.append(body)
        self.queries.append(request.query_string)
        return await self._behave(request, body=body, request_id=request_id)

    async def _count(self, request: web.Request) -> web.StreamResponse:
        body, request_id = await self._read(request, counted=True)
        if isinstance(body, web.Response):
            return body
        self.counted.append(body)
        headers = self.reply_headers(request_id)
        behaviour = self._behaviour(body)
        if behaviour in _ERRORS:
            return self.error(request_id, _ERRORS[behaviour])
        return web.json_response({"input_tokens": prompt_tokens(body)}, headers=headers)

    async def _read(
        self, request: web.Request, *, counted: bool = False
    ) -> tuple[dict[str, Any] | web.Response, str]:
        """The body, or the reply that refuses it; and the id of the request."""
        self._requests += 1
        self.note_peer(request)
        request_id = f"req_fake{self._requests:06d}"
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        refusal = self._unauthorised(request)
        if refusal is not None:
            return self.error(request_id, refusal), request_id
        try:
            body = json.loads(await request.read())
            self._check(body, request, counted=counted)
        except (json.JSONDecodeError, UnicodeDecodeError) as exc:
            refusal = (400, "invalid_request_error", f"not JSON: {exc}")
        except InvalidError as exc:
            refusal = (400, "invalid_request_error", str(exc))
        if refusal is None and body["model"] not in PRICES:
            refusal = (404, "not_found_error", f"model: {body['model']}")
        return (body if refusal is None else self.error(request_id, refusal)), request_id

    def _check(self, body: Any, request: web.Request, *, counted: bool) -> None:
        body = joined(body) if self._joins_turns else body
        beta = bool(request.headers.get("anthropic-beta"))
        if counted:
            check_count(body, signatures=self._signatures, beta=beta)
        else:
            check(body, output_tokens_max=OUTPUT_TOKENS_MAX, signatures=self._signatures, beta=beta)
        check_version(body, request.headers["anthropic-version"])

    async def _behave(
        self, request: web.Request, *, body: dict[str, Any], request_id: str
    ) -> web.StreamResponse:
        behaviour = self._behaviour(body)
        match behaviour:
            case Behaviour.RATE_LIMITED | Behaviour.BROKEN | Behaviour.OVERLOADED:
                return self.error(request_id, _ERRORS[behaviour])
            case Behaviour.HTML:
                return web.Response(text=_HTML, content_type="text/html")
            case Behaviour.HTML_ERROR:
                return web.Response(text=_HTML, content_type="text/html", status=502)
            case Behaviour.SILENT:
                await asyncio.sleep(3600)  # ended by the caller, who leaves
            case Behaviour.HANG_UP:
                assert request.transport is not None
                request.transport.abort()
                await asyncio.sleep(3600)
        row = Row(request_id, body["model"])
        self.bill.append(row)
        self._cache.read(body, row)
        writing = _Writing(self, body=body, row=row, behaviour=behaviour)
        if body.get("stream"):
            return await writing.stream(request)
        row.output_tokens = writing.output_tokens
        row.outcome = "completed"
        return web.json_response(writing.message(row), headers=self.reply_headers(request_id))

    def admitted(self, request: web.Request) -> tuple[web.Response | None, str]:
        """The reply that refuses a call of the batches, None for none; and the call's id."""
        self._requests += 1
        request_id = f"req_fake{self._requests:06d}"
        refusal = self._unauthorised(request)
        return (None if refusal is None else self.error(request_id, refusal)), request_id

    def invalid(self, body: Any, request: web.Request) -> tuple[int, str, str] | None:
        """What is wrong with a request in a batch."""
        try:
            self._check(body, request, counted=False)
        except InvalidError as exc:
            return 400, "invalid_request_error", str(exc)
        if body["model"] not in PRICES:
            return 404, "not_found_error", f"model: {body['model']}"
        return None

    def composed(self, body: dict[str, Any], request_id: str) -> dict[str, Any]:
        """The answer to a request in a batch, charged as such."""
        row = Row(request_id, body["model"], batch=True)
        self.bill.append(row)
        self._cache.read(body, row)
        writing = _Writing(self, body=body, row=row, behaviour=None)
        row.output_tokens, row.outcome = writing.output_tokens, "completed"
        return writing.message(row)

    def reply_headers(self, request_id: str) -> dict[str, str]:
        """The headers that every reply carries."""
        return {
            "request-id": request_id,
            "anthropic-organization-id": "org_fake",
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": str(max(0, 50 - self._requests)),
            "anthropic-ratelimit-requests-reset": "2026-01-01T00:01:00Z",
            "anthropic-ratelimit-tokens-limit": "80000",
            "anthropic-ratelimit-tokens-remaining": "79000",
            "anthropic-ratelimit-tokens-reset": "2026-01-01T00:01:00Z",
        }

    def sign(self, thinking: str) -> str:
        """A signature that is accepted back, with this thinking only."""
        signature = f"sig{len(self._signatures):04d}=="
        self._signatures[signature] = thinking
        return signature

    def redact(self) -> str:
        """Thinking that nobody may read, accepted back as it is."""
        data = f"redacted{len(self._signatures):04d}=="
        self._signatures[data] = ""
        return data

    @property
    def pace_seconds(self) -> float:
        """Between streamed events."""
        return self._pace_seconds

    def _unauthorised(self, request: web.Request) -> tuple[int, str, str] | None:
        # SDKs send the key as a bearer token since API version 2026-10-21; both are taken.
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = request.headers.get("x-api-key") or bearer
        if not key:
            return 401, "authentication_error", "x-api-key header is required"
        if key != self.key:
            return 401, "authentication_error", "invalid x-api-key"
        version = request.headers.get("anthropic-version")
        if version is None:
            return 400, "invalid_request_error", "anthropic-version: header is required"
        if version not in VERSIONS:
            message = f"anthropic-version: {version!r} is not a valid version"
            return 400, "invalid_request_error", message
        return None

    def error(self, request_id: str, error: tuple[int, str, str]) -> web.Response:
        """A reply that refuses."""
        status, kind, message = error
        headers = self.reply_headers(request_id)
        if status in {429, 529}:
            headers["retry-after"] = self._retry_after
        return web.json_response(
            {
                "type": "error",
                "error": {"type": kind, "message": message},
                "request_id": request_id,
            },
            status=status,
            headers=headers,
        )

    def _behaviour(self, body: Mapping[str, Any]) -> Behaviour | None:
        if self._queue:
            return self._queue.popleft()
        text = last_text(body)
        named = [behaviour for behaviour in Behaviour if behaviour.value in text]
        return max(named, key=len, default=None)


def last_text(body: Mapping[str, Any]) -> str:
    """The text of the last turn."""
    return "\n".join(
        block["text"] for block in blocks(body["messages"][-1]) if block["type"] == "text"
    )


def told(body: Mapping[str, Any]) -> Said:
    """The request, free of the dialect."""
    choice = body.get("tool_choice") or {"type": "auto"}
    must_call = {"any": "", "tool": choice.get("name")}.get(choice["type"])
    tools = body.get("tools") or () if choice["type"] != "none" else ()
    form = (body.get("output_config") or {}).get("format") or {}
    turns = body["messages"]
    answers = (at for at, turn in enumerate(turns, 1) if turn["role"] == "assistant")
    since = [block for turn in turns[max(answers, default=0) :] for block in blocks(turn)]
    results = [block for block in since if block["type"] == "tool_result"]
    return Said(
        last_text(body),
        tools=[(tool["name"], tool["input_schema"]) for tool in tools if "input_schema" in tool],
        results=[result_text(block) for block in results],
        must_call=must_call,
        may_call_many=not choice.get("disable_parallel_tool_use", False),
        schema=form.get("schema"),
    )


def result_text(block: Mapping[str, Any]) -> str:
    """What a tool answered."""
    content = block.get("content", "")
    if isinstance(content, str):
        return content
    return " ".join(inner.get("text", f"[{inner['type']}]") for inner in content)


class _Writing:
    """One answer, as it is written."""

    def __init__(
        self, fake: FakeAnthropic, *, body: dict[str, Any], row: Row, behaviour: Behaviour | None
    ) -> None:
        self._fake = fake
        self._body = body
        self._row = row
        self._behaviour = behaviour
        self._content: list[dict[str, Any]] = []
        self._stop_reason = "end_turn"
        self._stop_sequence: str | None = None
        self.output_tokens = 0
        self._compose(fake.mind(told(body)))

    def message(self, row: Row) -> dict[str, Any]:
        """The whole message."""
        return {
            "id": "msg_" + row.request_id.removeprefix("req_"),
            "type": "message",
            "role": "assistant",
            "model": row.model,
            "content": self._content,
            "stop_reason": self._stop_reason,
            "stop_sequence": self._stop_sequence,
            "usage": row.usage(),
        }

    def _compose(self, thought: Thought) -> None:
        """The blocks, up to `max_tokens`."""
        if (self._body.get("thinking") or {}).get("type") in {"enabled", "adaptive"}:
            self._think()
        text = self._until_stop(thought.text)
        if text:
            self._take("text", text)
        for name, arguments in thought.calls:
            if self._stop_reason == "max_tokens":
                break
            block = {"type": "tool_use", "id": f"toolu_{self._row.request_id}_{len(self._content)}"}
            self._content.append({**block, "name": name, "input": arguments})
            self.output_tokens += len(tokens(json.dumps(arguments))) + 1
            self._stop_reason = "tool_use"
        if self._behaviour in _STOPS:
            self._stop_reason = _STOPS[self._behaviour]

    def _think(self) -> None:
        """Signed, or redacted where the prompt says `fake:redacted`, or only signed."""
        if "fake:redacted" in last_text(self._body):
            self._content.append({"type": "redacted_thinking", "data": self._fake.redact()})
            self.output_tokens += 5
        else:
            self._take("thinking", "The user wants an answer. I give one.")
            block = self._content[-1]
            if self._body["thinking"].get("display") == "omitted":
                block["thinking"] = ""
            block["signature"] = self._fake.sign(block["thinking"])
        self._row.thinking_tokens = self.output_tokens

    def _until_stop(self, text: str) -> str:
        for sequence in self._body.get("stop_sequences") or ():
            if sequence in text:
                self._stop_reason, self._stop_sequence = "stop_sequence", sequence
                return text[: text.index(sequence)]
        return text

    def _take(self, kind: str, text: str) -> None:
        pieces = tokens(text)
        room = self._body["max_tokens"] - self.output_tokens
        if len(pieces) > room:
            self._stop_reason, self._stop_sequence = "max_tokens", None
            pieces = pieces[:room]
        self.output_tokens += len(pieces)
        self._content.append({"type": kind, kind: "".join(pieces)})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The answer as events; what was sent is what is charged."""
        row = self._row
        reply = web.StreamResponse(
            headers={
                "content-type": "text/event-stream; charset=utf-8",
                "cache-control": "no-cache",
                **self._fake.reply_headers(row.request_id),
            }
        )
        try:
            await reply.prepare(request)
            await self._events(request, reply)
            await reply.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            row.outcome = "cut"
            raise
        if row.outcome == "open":
            row.outcome = "completed"
        return reply

    async def _events(self, request: web.Request, reply: web.StreamResponse) -> None:
        row = self._row
        row.output_tokens = 1
        head = {**self.message(row), "content": [], "stop_reason": None, "stop_sequence": None}
        await self._send(reply, {"type": "message_start", "message": head})
        row.output_tokens = 0
        sent = 0
        for index, block in enumerate(self._content):
            await self._start(reply, index, block)
            for delta, cost in self._deltas(block):
                if sent == _WORDS_BEFORE_TROUBLE and await self._trouble(request, reply):
                    return
                event = {"type": "content_block_delta", "index": index, "delta": delta}
                row.output_tokens += cost
                sent += 1
                await self._send(reply, event)
            await self._send(reply, {"type": "content_block_stop", "index": index})
        if sent <= _WORDS_BEFORE_TROUBLE and await self._trouble(request, reply):
            return
        row.output_tokens = self.output_tokens
        delta = {"stop_reason": self._stop_reason, "stop_sequence": self._stop_sequence}
        usage = row.usage()
        del usage["cache_creation"], usage["service_tier"]
        await self._send(reply, {"type": "message_delta", "delta": delta, "usage": usage})
        await self._send(reply, {"type": "message_stop"})

    async def _start(self, reply: web.StreamResponse, index: int, block: dict[str, Any]) -> None:
        empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}
        empty["tool_use"] = {"input": {}}  # type: ignore[dict-item]
        start = {**block, **empty.get(block["type"], {})}
        await self._send(
            reply, {"type": "content_block_start", "index": index, "content_block": start}
        )
        if index == 0:
            await self._send(reply, {"type": "ping"})

    def _deltas(self, block: dict[str, Any]) -> list[tuple[dict[str, Any], int]]:
        """The deltas of a block, and the output tokens of each."""
        match block["type"]:
            case "text":
                return [
                    ({"type": "text_delta", "text": piece}, 1) for piece in tokens(block["text"])
                ]
            case "thinking":
                deltas = [
                    ({"type": "thinking_delta", "thinking": piece}, 1)
                    for piece in tokens(block["thinking"])
                ]
                return [*deltas, ({"type": "signature_delta", "signature": block["signature"]}, 0)]
            case "redacted_thinking":
                return []
            case _:
                text = json.dumps(block["input"])
                pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
                first = {"type": "input_json_delta", "partial_json": ""}
                deltas = [({"type": "input_json_delta", "partial_json": p}, 1) for p in pieces]
                return [(first, 1), *deltas]

    async def _trouble(self, request: web.Request, reply: web.StreamResponse) -> bool:
        """Misbehave if ordered; True if that was the end."""
        match self._behaviour:
            case Behaviour.OVERLOADED_IN_STREAM:
                error = {"type": "overloaded_error", "message": "Overloaded"}
                await self._send(reply, {"type": "error", "error": error})
            case Behaviour.CUT:
                assert request.transport is not None
                request.transport.abort()
            case Behaviour.STALL:
                await asyncio.sleep(3600)  # ended by the caller, who leaves
            case Behaviour.CLEAN_CUT:
                pass
            case _:
                return False
        self._row.outcome = "cut"
        return True

    async def _send(self, reply: web.StreamResponse, event: dict[str, Any]) -> None:
        data = json.dumps(event, ensure_ascii=False)
        await reply.write(f"event: {event['type']}\ndata: {data}\n\n".encode())
        await asyncio.sleep(self._fake.pace_seconds)
