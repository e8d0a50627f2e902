"""A neutral `Conversation` written as an Anthropic Messages body.

The Messages API is stricter than others (all found out by 400s): the system prompt stands apart,
turns alternate and the first is the user's, tool results open the user turn that follows their
calls, no text may be empty, ids have an alphabet. Whatever a conversation says that this API cannot
is named in `unsaid`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
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
from twotier.errors import RequestError
from twotier.protocols.wire import Outgoing

# A prefix under 4,096 tokens is not cached by Opus 4.5 and 4.6 (1,024 or 2,048 by other models);
# four bytes a token is the usual estimate. Marking less costs nothing but gains nothing.
CACHED_PREFIX_BYTES_MIN = 4096 * 4
# Models from Opus 4.7 on answer 400 to `temperature` and `top_p`; the ones before take one of the
# two. A model that is not listed is asked without: its default is better than no answer.
SAMPLING_MODELS = (
    "claude-2",
    "claude-3",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-sonnet-4",
    "claude-haiku-4",
)
TEMPERATURE_MAX = 1.0
# Said for a conversation that begins with the assistant, as chat windows with a greeting do.
OPENING = "(The conversation begins with your message.)"

_EPHEMERAL = {"type": "ephemeral"}
_encode = msgspec.json.Encoder().encode
_ARGUMENTS = msgspec.json.Decoder(dict[str, Any])


def write_request(
    conversation: Conversation,
    *,
    model: str,
    max_output_tokens: int,
    stream: bool,
    cache: bool = True,
) -> Outgoing:
    """The body and what it cannot say. Raises `RequestError` where there is nothing to answer.

    `cache`: where the client marked no breakpoint itself, put one behind tools and system prompt if
    they are long enough to be cached; later turns and other runs then read them at a tenth of the
    price (https://platform.claude.com/docs/en/build-with-claude/prompt-caching).
    """
    unsaid = list(conversation.unsaid)
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": max_output_tokens,
        "stream": stream,
        "messages": _turns(conversation.messages),
    }
    system = [_text(part) for part in _system_parts(conversation.messages)]
    tools = [_tool(tool) for tool in conversation.tools]
    if cache and not _marked(conversation.messages):
        _mark(system, tools)
    if system:
        body["system"] = system
    if tools:
        body["tools"] = tools
        if conversation.tool_choice is not None:
            body["tool_choice"] = _choice(conversation.tool_choice)
    body |= _settings(conversation, unsaid)
    body |= _sampling(conversation, model, unsaid=unsaid)
    return Outgoing(_encode(body), tuple(unsaid))


SCHEMA_NAMED = frozenset({"properties", "$defs", "definitions"})
SCHEMA_LIMITS = frozenset(
    {"minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)


def _settings(conversation: Conversation, unsaid: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    stop = [sequence for sequence in conversation.stop if sequence.strip()]
    if stop:
        body["stop_sequences"] = stop
    if len(stop) < len(conversation.stop):
        unsaid.append("stop")  # white space alone is refused
    if conversation.user:
        body["metadata"] = {"user_id": conversation.user}
    if conversation.output_schema:
        body["output_config"] = {
            "format": {"type": "json_schema", "schema": _closed(conversation.output_schema)}
        }
    elif conversation.output_schema is not None:
        unsaid.append("response_format")  # there is no "any JSON object"
    return body


def _sampling(conversation: Conversation, model: str, *, unsaid: list[str]) -> dict[str, Any]:
    """One of temperature (clipped: OpenAI's goes to 2) and top_p, where the model takes them."""
    temperature, top_p = conversation.temperature, conversation.top_p
    if not model.startswith(SAMPLING_MODELS):
        unsaid += ["temperature"] * (temperature is not None) + ["top_p"] * (top_p is not None)
        return {}
    if temperature is None:
        return {} if top_p is None else {"top_p": top_p}
    if top_p is not None:
        unsaid.append("top_p")
    if temperature > TEMPERATURE_MAX:
        unsaid.append("temperature")
    return {"temperature": min(temperature, TEMPERATURE_MAX)}


def _closed(schema: Any) -> Any:
    """The schema as the API takes it: every object closed, limits it refuses said in words.

    It insists on `additionalProperties: false` and knows no lengths, ranges or patterns (its page
    on structured outputs). They go into the description, where the model can still read them.
    """
    if not isinstance(schema, Mapping):
        return [_closed(item) for item in schema] if isinstance(schema, list) else schema
    limits = {key: value for key, value in schema.items() if key in SCHEMA_LIMITS}
    closed = {
        # Below `properties` the keys are names, and a name may be any word.
        key: {name: _closed(one) for name, one in value.items()}
        if key in SCHEMA_NAMED and isinstance(value, Mapping)
        else _closed(value)
        for key, value in schema.items()
        if key not in limits
    }
    if closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    if limits:
        said = ", ".join(f"{key}: {value}" for key, value in limits.items())
        closed["description"] = f"{closed.get('description', '')} ({said})".strip()
    return closed


def _system_parts(messages: Sequence[Message]) -> Iterator[Text]:
    parts = (part for message in messages if message.role == "system" for part in message.parts)
    return (part for part in parts if isinstance(part, Text) and part.text.strip())


def _marked(messages: Sequence[Message]) -> bool:
    return any(
        isinstance(part, Text) and part.cached for message in messages for part in message.parts
    )


def _mark(system: list[dict[str, Any]], tools: list[dict[str, Any]]) -> None:
    """One breakpoint at the end of the fixed prefix; the API puts tools before system."""
    if len(_encode([tools, system])) < CACHED_PREFIX_BYTES_MIN:
        return
    (system or tools)[-1]["cache_control"] = _EPHEMERAL


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Alternating turns: neighbours of one role are merged, empty ones vanish."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [block for part in message.parts for block in _blocks(part)]
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise RequestError("messages: nothing to answer; send a user message with some text")
    if turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": OPENING}]})
    for turn in turns:
        # Stable: results first, everything else in the order it was said.
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    return turns


def _blocks(part: Part) -> Iterator[dict[str, Any]]:
    """The content blocks of one part: none for what must not be sent."""
    match part:
        case Text() if part.text.strip():
            yield _text(part)
        case Image():
            yield _image(part)
        case Reasoning(text=text, signature=signature) if signature:
            yield {"type": "thinking", "thinking": text, "signature": signature}
        case ToolCall():
            yield {
                "type": "tool_use",
                "id": valid_id(part.id),
                "name": part.name,
                "input": _input(part.arguments),
            }
        case ToolResult():
            yield _result(part)
        case _:  # empty text, and thinking that Anthropic did not sign
            return


def _text(part: Text) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": part.text}
    if part.cached:
        block["cache_control"] = _EPHEMERAL
    return block


def _image(image: Image) -> dict[str, Any]:
    if image.url:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": source}


def _result(result: ToolResult) -> dict[str, Any]:
    content = [block for part in result.parts for block in _blocks(part)]
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": valid_id(result.call_id)}
    if content:
        block["content"] = content
    if result.failed:
        block["is_error"] = True
    return block


def _input(arguments: str) -> Mapping[str, Any]:
    """The arguments as the object they must be here.

    A model that was cut off, or a small one, leaves arguments that are no JSON. They are history,
    and must not make the whole conversation unsayable, so they are shown as they were.
    """
    if not arguments.strip():
        return {}
    try:
        return _ARGUMENTS.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return {"unparsed": arguments}


def valid_id(call_id: str) -> str:
    """The id in the API's alphabet. The same id always gives the same, different ids differ."""
    if re.fullmatch(r"[a-zA-Z0-9_-]+", call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:12]
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call_id)[:40] + "_" + digest


def _tool(tool: Tool) -> dict[str, Any]:
    schema = {"type": "object", "properties": {}, **tool.schema}
    written: dict[str, Any] = {"name": tool.name, "input_schema": schema}
    if tool.description:
        written["description"] = tool.description
    if tool.strict:
        written["strict"] = True
    return written


def _choice(choice: ToolChoice) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "any" if choice.mode == "required" else choice.mode}
    if choice.mode == "tool":
        written["name"] = choice.name
    if choice.parallel is not None and choice.mode != "none":
        written["disable_parallel_tool_use"] = not choice.parallel
    return written
