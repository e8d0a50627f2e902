"""An upstream that answers whatever it is asked, at every path of every dialect.

For tests in which only the gateway may find fault with a request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from tests.fakes.serving import Served

# Tiers behind it, in a configuration: one that speaks its own dialect alone, one that speaks all.
AGREEING = """
[tiers.local]
engine = "openai"
model = "narrow"
base_url = "{base_url}/v1"
images = true

[tiers.wide]
engine = "openai"
model = "wide"
base_url = "{base_url}/v1"
images = true
speaks = ["messages", "count_tokens", "responses", "completions", "embeddings"]
"""
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
COUNTED = {"input_tokens": 3, "output_tokens": 2}
CHAT = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m"}
TEXT = {"id": "t1", "object": "text_completion", "created": 1, "model": "m"}
MESSAGE: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
SAID = {"type": "output_text", "text": "Yes.", "annotations": [], "logprobs": []}
ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [{**ITEM, "content": [SAID]}],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 5,
    },
}


def end(**fields: Any) -> dict[str, Any]:
    """The choice of an answer that stopped by itself."""
    return {"index": 0, "finish_reason": "stop", **fields}


WHOLE: Mapping[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        **CHAT,
        "choices": [end(message={"role": "assistant", "content": "Yes."})],
        "usage": USAGE,
    },
    "/v1/completions": {**TEXT, "choices": [end(text="Yes.")], "usage": USAGE},
    "/v1/embeddings": {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    },
    "/v1/messages": {
        **MESSAGE,
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": COUNTED,
    },
    "/v1/messages/count_tokens": {"input_tokens": 3},
    "/v1/responses": RESPONSE,
}


def chunks(*objects: Mapping[str, Any]) -> str:
    """OpenAI's older streams."""
    return "".join(f"data: {json.dumps(one)}\n\n" for one in objects) + "data: [DONE]\n\n"


def named(events: Iterable[Mapping[str, Any]]) -> str:
    """Streams whose events have a name."""
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)


def numbered(*events: dict[str, Any]) -> str:
    """As Responses has them."""
    return named({**one, "sequence_number": number} for number, one in enumerate(events))


PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
STREAMED: Mapping[str, str] = {
    "/v1/chat/completions": chunks(
        {**CHAT, "choices": [{"index": 0, "delta": {"content": "Yes."}}]},
        {**CHAT, "choices": [end(delta={})]},
        {**CHAT, "choices": [], "usage": USAGE},
    ),
    "/v1/completions": chunks(
        {**TEXT, "choices": [end(text="Yes.")]}, {**TEXT, "choices": [], "usage": USAGE}
    ),
    "/v1/messages": named(
        [
            {"type": "message_start", "message": {**MESSAGE, "content": [], "usage": COUNTED}},
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Yes."},
            },
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": COUNTED},
            {"type": "message_stop"},
        ]
    ),
    "/v1/responses": numbered(
        {
            "type": "response.created",
            "response": {**RESPONSE, "status": "in_progress", "output": [], "usage": None},
        },
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**ITEM, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **PLACE, "part": {**SAID, "text": ""}},
        {"type": "response.output_text.delta", **PLACE, "delta": "Yes.", "logprobs": []},
        {"type": "response.output_text.done", **PLACE, "text": "Yes.", "logprobs": []},
        {"type": "response.content_part.done", **PLACE, "part": SAID},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {**ITEM, "content": [SAID]},
        },
        {"type": "response.completed", "response": RESPONSE},
    ),
}


class Agreeable(Served):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def application(self) -> web.Application:
        """Every path."""
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        self.count += 1
        body = await request.read()
        if b'"stream":true' in body.replace(b" ", b"") and request.path in STREAMED:
            text = STREAMED[request.path]
            return web.Response(text=text, content_type="text/event-stream")
        return web.json_response(WHOLE[request.path])
