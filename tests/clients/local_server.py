"""A local server that also speaks Messages, as llama.cpp and vLLM do: lenient, unsigned, free."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from tests.fakes.anthropic_api import told
from tests.fakes.mind import Thought, tokens
from tests.fakes.openai_server import FakeOpenAI

Event = dict[str, Any]


class LocalServer(FakeOpenAI):
    """See the module. `asked` are the bodies that Messages got, `counted` those of its count."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        self.counted: list[dict[str, Any]] = []

    def application(self) -> web.Application:
        """Chat Completions, Messages and its count."""
        application = super().application()
        application.router.add_post("/v1/messages", self._messages)
        application.router.add_post("/v1/messages/count_tokens", self._count)
        return application

    async def _count(self, request: web.Request) -> web.Response:
        self.counted.append(json.loads(await request.read()))
        return web.json_response({"input_tokens": 7})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.asked.append(body)
        content = list(blocks(self.mind(told(body)), turns=len(body["messages"])))
        stop = "tool_use" if content[-1]["type"] == "tool_use" else "end_turn"
        message = {
            "id": f"chatcmpl-local{len(self.asked)}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": 20, "cache_read_input_tokens": 4, "output_tokens": 9},
        }
        if not body.get("stream"):
            return web.json_response(message)
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        for event in events(message):
            await reply.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        await reply.write_eof()
        return reply


def blocks(thought: Thought, *, turns: int) -> Iterator[Event]:
    """The answer's content; no id comes twice in a conversation."""
    if thought.text:
        yield {"type": "text", "text": thought.text}
    for at, (name, arguments) in enumerate(thought.calls):
        yield {"type": "tool_use", "id": f"call{turns}x{at}", "name": name, "input": arguments}


def events(message: Mapping[str, Any]) -> Iterator[Event]:
    """The message as a stream, the way llama.cpp cuts it."""
    start = {**message, "content": [], "stop_reason": None}
    start["usage"] = {**message["usage"], "output_tokens": 0}
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(message["content"]):
        opened: Event = {**block, "text": ""} if "text" in block else {**block, "input": {}}
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        for delta in deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": message["usage"]["output_tokens"]}
    yield {"type": "message_delta", "delta": end, "usage": usage}
    yield {"type": "message_stop"}


def deltas(block: Mapping[str, Any]) -> Iterator[Event]:
    """The pieces of one block."""
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in tokens(block["text"]))
    else:
        text = json.dumps(block["input"])
        for at in range(0, len(text), 7):
            yield {"type": "input_json_delta", "partial_json": text[at : at + 7]}
