"""A neutral `Conversation` written as a Responses body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from twotier.domain.message import (
    Cache,
    Conversation,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from twotier.protocols.freeform import unwrapped
from twotier.protocols.openai_files import file_data
from twotier.protocols.openai_responses.sealed import of_openai
from twotier.protocols.wire import Outgoing

_encode = msgspec.json.Encoder().encode
_SUMMARIES = frozenset({"auto", "concise", "detailed"})


def write_request(
    conversation: Conversation, *, model: str, max_output_tokens: int, stream: bool
) -> Outgoing:
    """The body, and what it cannot say.

    Nothing is kept by the upstream (`store`), as nothing is by us. Thinking goes as its text:
    what Anthropic sealed says nothing to another provider.
    """
    unsaid = list(conversation.unsaid)
    messages = list(conversation.messages)
    body: dict[str, Any] = {
        "model": model,
        "max_output_tokens": max_output_tokens,
        "stream": stream,
        "store": False,
    }
    if messages and (instructions := _instructions(messages[0])):
        body["instructions"] = instructions
        messages.pop(0)
    body["input"] = list(_items(messages, unsaid))
    if conversation.tools:
        body["tools"] = [_tool(tool) for tool in conversation.tools]
    if conversation.tool_choice is not None:
        body |= _choice(conversation.tool_choice, conversation.tools)
    body |= _settings(conversation, unsaid)
    return Outgoing(_encode(body), tuple(dict.fromkeys(unsaid)))


def _instructions(first: Message) -> str:
    """The system prompt, where it is one plain text at the beginning."""
    match first:
        case Message(role="system", parts=(Text(text=text, cache=""),)):
            return text
        case _:
            return ""


def _settings(conversation: Conversation, unsaid: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "temperature": conversation.temperature,
        "top_p": conversation.top_p,
        "service_tier": conversation.service_tier or None,
        "metadata": conversation.metadata or None,
        "safety_identifier": conversation.user or None,
    }
    if conversation.output_schema is not None:
        said["text"] = {"format": _format(conversation.output_schema)}
    if conversation.thinking is not None:
        said["reasoning"] = _thinking(conversation.thinking, unsaid)
    if conversation.stop:
        unsaid.append("stop")
    if conversation.top_k is not None:
        unsaid.append("top_k")
    return {name: value for name, value in said.items() if value is not None}


def _format(schema: Any) -> dict[str, Any]:
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "name": "answer", "schema": schema}


def _thinking(thinking: Thinking, unsaid: list[str]) -> dict[str, Any] | None:
    if thinking.budget_tokens is not None:
        unsaid.append("thinking.budget_tokens")
    said: dict[str, Any] = {}
    effort = "none" if thinking.mode == "off" else thinking.effort
    if effort:
        said["effort"] = effort
    if thinking.shown and thinking.shown != "omitted":
        said["summary"] = thinking.shown if thinking.shown in _SUMMARIES else "auto"
    return said or None


def _items(messages: Sequence[Message], unsaid: list[str]) -> Iterator[dict[str, Any]]:
    """What the turns come to: texts that stand together in one message, all else an item each."""
    custom = {part.id for part in _parts(messages) if isinstance(part, ToolCall) and part.freeform}
    for message in messages:
        shown: list[Text | Image | Document] = []
        for part in message.parts:
            if isinstance(part, Text | Image | Document):
                shown.append(part)
                continue
            if shown:
                yield _message(message.role, shown)
                shown = []
            yield from _item(part, custom, unsaid=unsaid)
        if shown or not message.parts:
            yield _message(message.role, shown)


def _parts(messages: Sequence[Message]) -> Iterator[Part]:
    return (part for message in messages for part in message.parts)


def _message(role: str, parts: Sequence[Text | Image | Document]) -> dict[str, Any]:
    if role == "assistant":
        texts = [part for part in parts if isinstance(part, Text)]
        content = [{"type": "output_text", "text": part.text, "annotations": []} for part in texts]
    else:
        content = [_part(part) for part in parts]
    return {"type": "message", "role": "user" if role == "tool" else role, "content": content}


def _item(
    part: Reasoning | ToolCall | ToolResult, custom: set[str], *, unsaid: list[str]
) -> Iterator[dict[str, Any]]:
    match part:
        case ToolCall():
            yield _call(part)
        case ToolResult():
            if part.failed:
                unsaid.append("messages[].tool_result.is_error")
            yield _result(part, custom=part.call_id in custom)
        case Reasoning(hidden=hidden) if of_openai(hidden):
            yield {"type": "reasoning", "summary": [], "encrypted_content": hidden}
        case _:
            if part.signature or part.hidden:
                unsaid.append("messages[].thinking.signature")
            if part.text:
                content = [{"type": "reasoning_text", "text": part.text}]
                yield {"type": "reasoning", "summary": [], "content": content}


def _call(call: ToolCall) -> dict[str, Any]:
    head = {"call_id": call.id, "name": call.name}
    if call.freeform:
        return {"type": "custom_tool_call", **head, "input": unwrapped(call.arguments)}
    return {"type": "function_call", **head, "arguments": call.arguments}


def _result(result: ToolResult, *, custom: bool) -> dict[str, Any]:
    """A plain string where one is enough: servers of small models know nothing else."""
    output: str | list[dict[str, Any]]
    match result.parts:
        case ():
            output = ""
        case (Text(text=text, cache=""),):
            output = text
        case parts:
            output = [_part(part) for part in parts]
    kind = "custom_tool_call_output" if custom else "function_call_output"
    return {"type": kind, "call_id": result.call_id, "output": output}


def _part(part: Text | Image | Document) -> dict[str, Any]:
    match part:
        case Text(text=text):
            said: dict[str, Any] = {"type": "input_text", "text": text}
        case Image():
            url = part.url or f"data:{part.media_type};base64,{part.data}"
            said = {"type": "input_image", "image_url": url}
            said |= {"detail": part.detail} if part.detail else {}
        case _:
            where = {"file_url": part.url} if part.url else {"file_data": file_data(part)}
            # The API wants a name for what comes inline.
            name = part.name or ("" if part.url else "document")
            said = {"type": "input_file", **({"filename": name} if name else {}), **where}
    return said | _breakpoint(part.cache)


def _breakpoint(cache: Cache) -> dict[str, Any]:
    """The shortest life that OpenAI has a name for stands for an hour; its default for less."""
    if not cache:
        return {}
    life = {"ttl": "30m"} if cache == "1h" else {}
    return {"prompt_cache_breakpoint": {"mode": "explicit", **life}}


def _tool(tool: Tool) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "custom" if tool.freeform else "function", "name": tool.name}
    if tool.description:
        said["description"] = tool.description
    if not tool.freeform:
        said["parameters"] = tool.schema
    if tool.strict is not None:
        said["strict"] = tool.strict
    return said


def _choice(choice: ToolChoice, tools: Sequence[Tool]) -> dict[str, Any]:
    said: dict[str, Any] = {"tool_choice": choice.mode}
    if choice.mode == "tool":
        custom = any(tool.freeform for tool in tools if tool.name == choice.name)
        kind = "custom" if custom else "function"
        said["tool_choice"] = {"type": kind, "name": choice.name}
    if choice.parallel is not None:
        said["parallel_tool_calls"] = choice.parallel
    return said
