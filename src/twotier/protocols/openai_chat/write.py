"""A neutral `Conversation` written as a Chat Completions body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from twotier.domain.message import (
    Conversation,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from twotier.protocols.wire import Outgoing

_encode = msgspec.json.Encoder().encode


def write_request(
    conversation: Conversation, *, model: str, max_output_tokens: int, stream: bool
) -> Outgoing:
    """The body, always with `max_tokens` (mlx-lm's own default is 512), and what it cannot say.

    Two things of other dialects have no place here: a signature of thinking, and the mark of a
    failed tool result (its text says so).
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": list(_messages(conversation.messages)),
        "max_tokens": max_output_tokens,
        "stream": stream,
    }
    if stream:
        body["stream_options"] = {"include_usage": True}
    if conversation.tools:
        body["tools"] = [_tool(tool) for tool in conversation.tools]
    if conversation.tool_choice is not None:
        body |= _choice(conversation.tool_choice)
    body |= _settings(conversation)
    return Outgoing(_encode(body), conversation.unsaid)


def _settings(conversation: Conversation) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if conversation.temperature is not None:
        body["temperature"] = conversation.temperature
    if conversation.top_p is not None:
        body["top_p"] = conversation.top_p
    if conversation.stop:
        body["stop"] = list(conversation.stop)
    if conversation.user:
        body["user"] = conversation.user
    if conversation.output_schema is not None:
        body["response_format"] = _format(conversation.output_schema)
    return body


def _format(schema: Any) -> dict[str, Any]:
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _messages(messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """One wire message for each turn, and one for each tool result.

    A `tool` message takes text only, so its images follow as a user message; but not before the
    last result of the turn, because results must stand directly behind their calls.
    """
    images: list[Image] = []
    for message in messages:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        rest = [part for part in message.parts if not isinstance(part, ToolResult)]
        if images and not results:
            yield {"role": "user", "content": _content(images)}
            images = []
        for result in results:
            yield _result(result)
            images += [part for part in result.parts if isinstance(part, Image)]
        if rest or not results:
            yield _message(message.role, rest)
    if images:
        yield {"role": "user", "content": _content(images)}


def _result(result: ToolResult) -> dict[str, Any]:
    texts = [part for part in result.parts if isinstance(part, Text)]
    return {"role": "tool", "tool_call_id": result.call_id, "content": _content(texts)}


def _message(role: str, parts: Sequence[Part]) -> dict[str, Any]:
    if role != "assistant":
        shown = [part for part in parts if isinstance(part, Text | Image)]
        return {"role": "user" if role == "tool" else role, "content": _content(shown)}
    said = [part for part in parts if isinstance(part, Text)]
    calls = [_call(part) for part in parts if isinstance(part, ToolCall)]
    thought = "".join(part.text for part in parts if isinstance(part, Reasoning))
    message: dict[str, Any] = {"role": role, "content": _content(said) if said else None}
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    return message


def _content(parts: Sequence[Text | Image]) -> str | list[dict[str, Any]]:
    """A plain string where one is enough: chat templates of small models know nothing else."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_part(part) for part in parts]


def _part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.schema}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> dict[str, Any]:
    body: dict[str, Any] = {"tool_choice": choice.mode}
    if choice.mode == "tool":
        body["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    if choice.parallel is not None:
        body["parallel_tool_calls"] = choice.parallel
    return body
