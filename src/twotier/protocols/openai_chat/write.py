"""A neutral `Conversation` written as a Chat Completions body.

Written for the strictest of the servers that speak this dialect: their chat templates know one
system message and only at the start, insist on results directly behind their calls, and parse the
arguments of past calls. `turns` holds these rules; here is everything that is no message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from twotier.domain.message import Conversation, Reasoning, Tool, ToolChoice
from twotier.protocols.openai_chat.thinking import write_thinking
from twotier.protocols.openai_chat.turns import write_turns
from twotier.protocols.wire import Outgoing

_encode = msgspec.json.Encoder().encode
_NO_ARGUMENTS = {"type": "object", "properties": {}}
# The others are what a server does anyway, and strict ones refuse the field.
_SERVICE_TIERS_WRITTEN = frozenset({"flex", "priority"})


def write_request(
    conversation: Conversation, *, model: str, max_output_tokens: int, stream: bool
) -> Outgoing:
    """The body, always with `max_tokens` (mlx-lm's own default is 512), and what it cannot say.

    Raises `RequestError` for what no server of this dialect can be given.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": list(write_turns(conversation.messages)),
        "max_tokens": max_output_tokens,
        "stream": stream,
    }
    if stream:
        body["stream_options"] = {"include_usage": True}
    if conversation.tools:
        body["tools"] = [write_tool(tool) for tool in conversation.tools]
        # OpenAI refuses a choice among no tools.
        if conversation.tool_choice is not None:
            body |= _choice(conversation.tool_choice)
    body |= _settings(conversation)
    unsaid = dict.fromkeys((*conversation.unsaid, *_unsaid(conversation)))
    return Outgoing(_encode(body), tuple(unsaid))


def _unsaid(conversation: Conversation) -> Iterator[str]:
    """What other dialects say and this one cannot, by the name it has there."""
    parts = [part for message in conversation.messages for part in message.parts]
    if any(tool.cache for tool in conversation.tools) or any(
        not isinstance(part, Reasoning) and part.cache for part in parts
    ):
        yield "cache_control"  # servers of this dialect keep prefixes by themselves
    if any(isinstance(part, Reasoning) and part.hidden for part in parts):
        yield "redacted_thinking"
    if conversation.metadata:
        yield "metadata"  # OpenAI takes it only for answers it may store


def _settings(conversation: Conversation) -> dict[str, Any]:
    body: dict[str, Any] = write_thinking(conversation.thinking)
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(conversation, name)
        if value is not None:
            body[name] = value
    if conversation.stop:
        body["stop"] = list(conversation.stop)
    if conversation.user:
        body["user"] = conversation.user
    if conversation.service_tier in _SERVICE_TIERS_WRITTEN:
        body["service_tier"] = conversation.service_tier
    if conversation.output_schema is not None:
        body["response_format"] = _format(conversation.output_schema)
    return body


def _format(schema: Any) -> dict[str, Any]:
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def write_tool(tool: Tool) -> dict[str, Any]:
    """A function; a freeform tool is one of one string here, because few servers know more."""
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.schema or _NO_ARGUMENTS}
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
