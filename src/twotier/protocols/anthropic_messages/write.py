"""A neutral `Conversation` written as an Anthropic Messages body.

The Messages API is stricter than others (all found out by 400s), and each family of its models
takes other settings: `turns` and `families` hold that. Whatever a conversation says that this API
cannot is named in `unsaid`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from twotier.domain.message import Conversation, Image, Message, Text, Tool, ToolChoice, ToolResult
from twotier.protocols.anthropic_messages.families import Family, family
from twotier.protocols.anthropic_messages.schema import closed
from twotier.protocols.anthropic_messages.thinking import Circumstances, Plan
from twotier.protocols.anthropic_messages.turns import cache_mark, text_block, turns, unsigned
from twotier.protocols.wire import Outgoing

TEMPERATURE_MAX = 1.0
THINKING_TOP_P_MIN = 0.95
# `standard_only` keeps to what is paid by the token; `auto` may use capacity that was bought ahead.
_SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "priority": "auto"}
_FORCED = ("required", "tool")

_encode = msgspec.json.Encoder().encode


def write_request(
    conversation: Conversation, *, model: str, max_output_tokens: int, stream: bool
) -> Outgoing:
    """The body and what it cannot say. Raises `RequestError` where there is nothing to answer."""
    unsaid = list(conversation.unsaid)
    takes = family(model)
    choice = conversation.tool_choice if conversation.tools else None
    made = turns(conversation.messages)
    forced = choice is not None and choice.mode in _FORCED and takes.forced
    at = Circumstances(max_output_tokens, forced, unsigned(made))
    thought = Plan(conversation.thinking, takes, at=at)
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": max_output_tokens,
        "stream": stream,
        "messages": made,
    }
    body |= _prefix(conversation)
    if choice is not None:
        body["tool_choice"] = _choice(choice, takes, unsaid=unsaid)
    if thought.thinking:
        body["thinking"] = thought.thinking
    body |= _settings(conversation, unsaid)
    body |= _output(conversation, thought, unsaid=unsaid)
    body |= _sampling(conversation, takes, thinks=thought.thinks, unsaid=unsaid)
    return Outgoing(_encode(body), tuple(dict.fromkeys(unsaid)))


def _prefix(conversation: Conversation) -> dict[str, Any]:
    """What every turn begins with: the tools and the system prompt."""
    system = [text_block(part) for part in _system_parts(conversation.messages)]
    tools = [_tool(tool) for tool in conversation.tools]
    prefix: dict[str, Any] = {"system": system} if system else {}
    return {**prefix, "tools": tools} if tools else prefix


def _system_parts(messages: Sequence[Message]) -> Iterator[Text]:
    parts = (part for message in messages if message.role == "system" for part in message.parts)
    return (part for part in parts if isinstance(part, Text) and part.text.strip())


def _settings(conversation: Conversation, unsaid: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    stop = [sequence for sequence in conversation.stop if sequence.strip()]
    if stop:
        body["stop_sequences"] = stop
    if len(stop) < len(conversation.stop):
        unsaid.append("stop")  # white space alone is refused
    if conversation.user:
        body["metadata"] = {"user_id": conversation.user}
    if conversation.metadata:
        unsaid.append("metadata")  # there is a place for one label only, the user's
    if conversation.service_tier in _SERVICE_TIERS:
        body["service_tier"] = _SERVICE_TIERS[conversation.service_tier]
    elif conversation.service_tier:
        unsaid.append("service_tier")
    if any(image.detail not in ("", "auto") for image in _images(conversation.messages)):
        unsaid.append("detail")
    return body


def _images(messages: Sequence[Message]) -> Iterator[Image]:
    for message in messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            yield from (one for one in inner if isinstance(one, Image))


def _output(conversation: Conversation, thought: Plan, *, unsaid: list[str]) -> dict[str, Any]:
    """How hard to try, and the form of the answer."""
    config: dict[str, Any] = {"effort": thought.effort} if thought.effort else {}
    if conversation.output_schema:
        schema = closed(conversation.output_schema)
        config["format"] = {"type": "json_schema", "schema": schema}
    elif conversation.output_schema is not None:
        unsaid.append("response_format")  # there is no "any JSON object"
    unsaid += thought.unsaid
    return {"output_config": config} if config else {}


def _sampling(
    conversation: Conversation, takes: Family, *, thinks: bool, unsaid: list[str]
) -> dict[str, Any]:
    """One of temperature (clipped: OpenAI's goes to 2) and top_p, and top_k, where the model takes
    them; while it thinks it takes a high top_p only.
    """
    given = {
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "top_k": conversation.top_k,
    }
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    allowed = set(body) if takes.sampling else set()
    if "temperature" in body and not thinks:
        allowed.discard("top_p")
    if thinks:
        allowed -= {"temperature", "top_k"}
        if body.get("top_p", 0) < THINKING_TOP_P_MIN:
            allowed.discard("top_p")
    unsaid += [name for name in body if name not in allowed]
    kept = {name: value for name, value in body.items() if name in allowed}
    if kept.get("temperature", 0) > TEMPERATURE_MAX:
        unsaid.append("temperature")
        kept["temperature"] = TEMPERATURE_MAX
    return kept


def _tool(tool: Tool) -> dict[str, Any]:
    schema = {"type": "object", "properties": {}, **tool.schema}
    written: dict[str, Any] = {"name": tool.name, "input_schema": schema}
    if tool.description:
        written["description"] = tool.description
    if tool.strict:
        written["strict"] = True
        written["input_schema"] = closed(schema)
    if tool.cache:
        written["cache_control"] = cache_mark(tool.cache)
    return written


def _choice(choice: ToolChoice, takes: Family, *, unsaid: list[str]) -> dict[str, Any]:
    mode = choice.mode
    if mode in _FORCED and not takes.forced:
        unsaid.append("tool_choice")
        mode = "auto"
    written: dict[str, Any] = {"type": "any" if mode == "required" else mode}
    if mode == "tool":
        written["name"] = choice.name
    if choice.parallel is not None and mode != "none":
        written["disable_parallel_tool_use"] = not choice.parallel
    return written
