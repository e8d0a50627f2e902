"""A small OpenAI-compatible server with the quirks that real local servers have shown.

    with FakeOpenAI() as fake:
        fake.queue(Quirk.CUT)

Without a quirk it answers properly, streamed or not, with usage and cached tokens.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

from tests.fakes import openai_responses, openai_texts
from tests.fakes.mind import Mind, Said, Thought, answer, tokens
from tests.fakes.serving import Served

CHAT, TEXTS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
RESPONSES = "/v1/responses"


class Quirk(StrEnum):
    """What the next request meets."""

    NOT_FOUND = "404"  # mlx-lm's answer to every failure before the first byte
    BROKEN = "500"
    CUT = "cut"  # the connection breaks in mid-answer
    CLEAN_CUT = "clean-cut"  # HTTP/1.0 and SIGKILL: the body ends, the answer does not
    HTML = "html"
    NO_CALLS = "no-calls"  # finish_reason tool_calls without a call (mlx-lm 0.32)
    KEEPALIVE = "keepalive"  # mlx-lm's comments while it reads the prompt
    STALL = "stall"
    SILENT = "silent"
    HANG_UP = "hang-up"
    ERROR_IN_STREAM = "error-in-stream"
    REASONING = "reasoning"  # mlx-lm's name for thinking


@dataclass(frozen=True)
class Raw:
    """Exactly these bytes, chunk by chunk."""

    chunks: tuple[bytes, ...]
    content_type: str = "text/event-stream"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class FakeOpenAI(Served):
    """See the module. `left` counts the callers that went away before their answer was whole."""

    def __init__(self, *, pace_seconds: float = 0.0, mind: Mind = answer) -> None:
        super().__init__()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = 0
        self._queue: deque[Quirk | Raw | None] = deque()
        self._pace_seconds = pace_seconds
        self.mind = mind

    def queue(self, *quirks: Quirk | Raw | None) -> None:
        """What the next requests meet, one each; None for an ordinary answer."""
        self._queue.extend(quirks)

    def unqueue(self) -> None:
        """The next requests meet nothing odd."""
        self._queue.clear()

    def application(self) -> web.Application:
        """Chat, Responses and the two older paths."""
        application = web.Application(client_max_size=32 * 1024 * 1024)
        for path in (CHAT, TEXTS, EMBEDDINGS, RESPONSES):
            application.router.add_post(path, self._chat)
        return application

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.note_peer(request)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        body = json.loads(await request.read())
        self.bodies.append(body)
        quirk = self._queue.popleft() if self._queue else None
        try:
            return await self._behave(request, body=body, quirk=quirk)
        except (ConnectionError, asyncio.CancelledError):
            self.left += 1
            raise

    async def _behave(
        self, request: web.Request, *, body: dict[str, Any], quirk: Quirk | Raw | None
    ) -> web.StreamResponse:
        match quirk:
            case Raw():
                return await self._raw(request, quirk)
            case Quirk.NOT_FOUND:
                return web.json_response({"error": "the generation thread died"}, status=404)
            case Quirk.BROKEN:
                error = {"message": "out of memory", "type": "server_error", "code": 500}
                return web.json_response({"error": error}, status=500)
            case Quirk.HTML:
                return web.Response(text="<html>Sign in</html>", content_type="text/html")
            case Quirk.SILENT:
                await asyncio.sleep(3600)  # ended by the caller, who leaves
            case Quirk.HANG_UP:
                assert request.transport is not None
                request.transport.abort()
                await asyncio.sleep(3600)
        return await self._answer(request, body=body, quirk=quirk)

    async def _answer(
        self, request: web.Request, *, body: dict[str, Any], quirk: Quirk | Raw | None
    ) -> web.StreamResponse:
        if request.path == EMBEDDINGS:
            return web.json_response(openai_texts.embeddings(body))
        if request.path == TEXTS:
            found, events = openai_texts.whole(body), openai_texts.stream(body)
        elif request.path == RESPONSES:
            thought = self.mind(openai_responses.told(body))
            found = openai_responses.whole(body, thought)
            events = openai_responses.stream(body, thought)
        else:
            thought = self.mind(told(body))
            found = whole(body, thought, quirk=quirk)
            events = stream(body, thought, quirk=quirk)
        if not body.get("stream"):
            return web.json_response(found)
        return await self._stream(request, events=events, quirk=quirk)

    async def _raw(self, request: web.Request, raw: Raw) -> web.StreamResponse:
        headers = {"content-type": raw.content_type, **raw.headers}
        reply = web.StreamResponse(status=raw.status, headers=headers)
        await reply.prepare(request)
        for chunk in raw.chunks:
            await reply.write(chunk)
            await asyncio.sleep(self._pace_seconds)
        await reply.write_eof()
        return reply

    async def _stream(
        self, request: web.Request, *, events: list[str], quirk: Quirk | Raw | None
    ) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        for at, event in enumerate(events):
            if at == 2 and quirk == Quirk.CLEAN_CUT:
                break
            if at == 2 and quirk == Quirk.CUT:
                assert request.transport is not None
                request.transport.abort()
            if at == 2 and quirk == Quirk.STALL:
                await asyncio.sleep(3600)  # ended by the caller, who leaves
            await reply.write(event.encode())
            await asyncio.sleep(self._pace_seconds)
        await reply.write_eof()
        return reply


def told(body: Mapping[str, Any]) -> Said:
    """The request, free of the dialect. What tools answered may be followed by more text."""
    turns = body["messages"]
    answers = (at for at, turn in enumerate(turns, 1) if turn["role"] == "assistant")
    since = turns[max(answers, default=0) :]
    form = body.get("response_format") or {}
    tools = [tool["function"] for tool in body.get("tools") or ()]
    return Said(
        said(turns[-1]),
        tools=[(tool["name"], tool.get("parameters") or {}) for tool in tools],
        results=[said(turn) for turn in since if turn["role"] == "tool"],
        schema=(form.get("json_schema") or {}).get("schema"),
    )


def said(turn: Mapping[str, Any]) -> str:
    """The text of a turn."""
    content = turn.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "[image]") for part in content)


def head(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What every object begins with."""
    return {"id": "chatcmpl-fake1", "object": kind, "created": 1700000000, "model": body["model"]}


def usage(thought: Thought) -> dict[str, Any]:
    """Tokens, four of them from a cache."""
    output = len(tokens(thought.text)) + 5 * len(thought.calls)
    return {
        "prompt_tokens": 20,
        "completion_tokens": output,
        "total_tokens": 20 + output,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def calls(body: Mapping[str, Any], thought: Thought) -> list[dict[str, Any]]:
    """The calls, as the wire says them; no id comes twice in a conversation."""
    return [
        {
            "id": f"call_{len(body['messages'])}_{at}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for at, (name, arguments) in enumerate(thought.calls)
    ]


def whole(
    body: Mapping[str, Any], thought: Thought, *, quirk: Quirk | Raw | None
) -> dict[str, Any]:
    """The answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": thought.text}
    if thought.calls:
        message["tool_calls"] = calls(body, thought)
    finish = "tool_calls" if thought.calls or quirk == Quirk.NO_CALLS else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {**head(body, "chat.completion"), "choices": [choice], "usage": usage(thought)}


def stream(body: Mapping[str, Any], thought: Thought, *, quirk: Quirk | Raw | None) -> list[str]:
    """The answer as server-sent events."""
    start = head(body, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps({**start, 'choices': [choice]})}\n\n"

    events = [chunk({"role": "assistant", "content": ""})]
    if quirk == Quirk.KEEPALIVE:
        events = [": keepalive 2048/4096\n\n", ": keepalive 4096/4096\n\n", *events]
    if quirk == Quirk.REASONING:
        events += [chunk({"reasoning": piece}) for piece in tokens("I think.")]
    events += [chunk({"content": piece}) for piece in tokens(thought.text)]
    if quirk == Quirk.ERROR_IN_STREAM:
        error = {"message": "out of memory", "type": "server_error", "code": 500}
        return [*events, f"data: {json.dumps({'error': error})}\n\n"]
    events += [
        chunk({"tool_calls": [{"index": at, **call}]})
        for at, call in enumerate(calls(body, thought))
    ]
    events.append(chunk({}, "tool_calls" if thought.calls or quirk == Quirk.NO_CALLS else "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        last = {**start, "choices": [], "usage": usage(thought)}
        events.append(f"data: {json.dumps(last)}\n\n")
    return [*events, "data: [DONE]\n\n"]
