"""A Messages body read whole, into the neutral `Conversation`.

Done only where dialects differ. What the neutral form cannot carry is named in `unsaid`, never
dropped in silence; what would change the meaning of the request if it were left out is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import msgspec

from twotier.domain.message import (
    Cache,
    Conversation,
    Message,
    Part,
    Reasoning,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
)
from twotier.errors import RequestError, UnsayableError
from twotier.protocols.anthropic_messages.blocks import BlockIn, Blocks, CacheIn, cache
from twotier.protocols.wire import read_client_json


class _MessageIn(msgspec.Struct):
    role: str
    content: str | list[BlockIn]


class _ToolIn(msgspec.Struct):
    type: str | None = None
    name: str = ""
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    cache_control: CacheIn | None = None


class _ChoiceIn(msgspec.Struct):
    type: str
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _ThinkingIn(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _FormatIn(msgspec.Struct):
    type: str
    schema: dict[str, Any] | None = None


class _OutputIn(msgspec.Struct):
    effort: str | None = None
    format: _FormatIn | None = None


class _BodyIn(msgspec.Struct):
    messages: list[_MessageIn]
    system: str | list[BlockIn] | None = None
    tools: list[_ToolIn] | None = None
    tool_choice: _ChoiceIn | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    metadata: dict[str, Any] | None = None
    thinking: _ThinkingIn | None = None
    output_config: _OutputIn | None = None
    output_format: _FormatIn | None = None  # where the format stood before it had this place
    service_tier: str | None = None
    cache_control: CacheIn | None = None


_BODY = msgspec.json.Decoder(_BodyIn)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_INNER = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | dict[str, msgspec.Raw])
# These say how to deliver the answer, not what to answer.
_SAID = frozenset(_BodyIn.__struct_fields__) | {"model", "stream"}
_SAID_INSIDE = {
    "tools": frozenset(_ToolIn.__struct_fields__),
    "output_config": frozenset(_OutputIn.__struct_fields__),
}
_CHOICES = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}
_THINKING = {"enabled": "budget", "adaptive": "adaptive", "disabled": "off", "between_tools": "off"}
_SERVICE_TIERS = {"auto": "auto", "standard_only": "default"}
_NONE = b"[]"
_ELSEWHERE = "ask a tier behind Anthropic's API, or leave it out"


def read_conversation(body: bytes) -> Conversation:
    """The whole request. Raises `RequestError` that names the field which is wrong."""
    given = read_client_json(_BODY, body)
    fields = _not_null(read_client_json(_FIELDS, body))
    if bytes(fields.get("mcp_servers", _NONE)) != _NONE:
        raise UnsayableError(f"mcp_servers: its tools run on Anthropic's servers; {_ELSEWHERE}")
    unsaid = set(_unknown(fields))
    blocks = Blocks(unsaid)
    messages = tuple(_messages(given, blocks))
    if given.cache_control is not None:
        messages = _marked(messages, cache(given.cache_control))
    metadata = given.metadata or {}
    return Conversation(
        messages=messages,
        tools=tuple(_tools(_loaded(given, blocks.tools, unsaid=unsaid), unsaid)),
        tool_choice=_choice(given.tool_choice),
        max_output_tokens=given.max_tokens,
        temperature=given.temperature,
        top_p=given.top_p,
        top_k=given.top_k,
        stop=tuple(given.stop_sequences or ()),
        output_schema=_output_schema(given),
        thinking=_thinking(given),
        service_tier=_service_tier(given.service_tier, unsaid),
        user=str(metadata.get("user_id") or ""),
        metadata={key: str(value) for key, value in metadata.items() if key != "user_id"},
        unsaid=tuple(sorted(unsaid)),
    )


def _not_null(fields: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    return {name: raw for name, raw in fields.items() if bytes(raw) != b"null"}


def _unknown(fields: dict[str, msgspec.Raw]) -> Iterator[str]:
    """The names of what nothing here reads."""
    yield from fields.keys() - _SAID
    for name, known in _SAID_INSIDE.items():
        inner = read_client_json(_INNER, bytes(fields.get(name, b"{}")))
        several = isinstance(inner, list)
        for one in inner if isinstance(inner, list) else [inner]:
            extra = _not_null(one).keys() - known
            yield from (f"{name}[].{key}" if several else f"{name}.{key}" for key in extra)


def _messages(given: _BodyIn, blocks: Blocks) -> Iterator[Message]:
    """Results of tools are turns of their own here, one each, before what the user says."""
    if given.system:
        yield Message("system", tuple(blocks.read(given.system, "system", role="system")))
    for at, message in enumerate(given.messages):
        where = f"messages[{at}].content"
        match message.role:
            case "assistant" | "system":
                parts = tuple(blocks.read(message.content, where, role=message.role))
                yield Message("assistant" if message.role == "assistant" else "system", parts)
            case "user":
                yield from _user(blocks.read(message.content, where, role="user"))
            case role:
                raise RequestError(
                    f"messages[{at}].role: {role!r} is unknown; use user, assistant or system"
                )


def _user(parts: Iterable[Part]) -> Iterator[Message]:
    rest: list[Part] = []
    results = False
    for part in parts:
        if isinstance(part, ToolResult):
            results = True
            yield Message("tool", (part,))
        else:
            rest.append(part)
    if rest or not results:
        yield Message("user", tuple(rest))


def _marked(messages: tuple[Message, ...], mark: Cache) -> tuple[Message, ...]:
    """A breakpoint for the whole request stands behind the last part that can carry one."""
    last = messages[-1] if messages else None
    part = last.parts[-1] if last is not None and last.parts else None
    if last is None or part is None or isinstance(part, Reasoning) or part.cache:
        return messages
    parts = (*last.parts[:-1], replace(part, cache=mark))
    return (*messages[:-1], replace(last, parts=parts))


def _loaded(given: _BodyIn, found: set[str], *, unsaid: set[str]) -> list[_ToolIn]:
    """The tools the model may know of: of the deferred ones only those that a search has found.

    Where the search is Anthropic's, nobody else can do it, so all are loaded from the start.
    """
    tools = given.tools or []
    if any(_searches(tool) for tool in tools):
        if any(tool.defer_loading for tool in tools):
            unsaid.add("tools[].defer_loading")
        return tools
    return [tool for tool in tools if not tool.defer_loading or tool.name in found]


def _searches(tool: _ToolIn) -> bool:
    return tool.type is not None and tool.type.startswith("tool_search_tool")


def _tools(given: Iterable[_ToolIn], unsaid: set[str]) -> Iterator[Tool]:
    for at, tool in enumerate(given):
        if _searches(tool):
            unsaid.add(f"tools[].{tool.name}")  # it only finds tools, and all of them are sent
            continue
        if tool.type not in (None, "custom"):
            raise UnsayableError(
                f"tools[{at}].type: only Anthropic's own models know {tool.type!r}; {_ELSEWHERE}"
            )
        if not tool.name or tool.input_schema is None:
            raise RequestError(f"tools[{at}]: give it a name and an input_schema")
        yield Tool(
            tool.name,
            tool.description or "",
            tool.input_schema,
            tool.strict,
            cache=cache(tool.cache_control),
        )


def _choice(given: _ChoiceIn | None) -> ToolChoice | None:
    if given is None:
        return None
    mode = _CHOICES.get(given.type)
    if mode is None or (mode == "tool" and not given.name):
        raise RequestError("tool_choice: use auto, any, none, or tool with its name")
    only_one = given.disable_parallel_tool_use
    return ToolChoice(mode, given.name, None if only_one is None else not only_one)  # type: ignore[arg-type]


def _output_schema(given: _BodyIn) -> dict[str, Any] | None:
    form = (given.output_config and given.output_config.format) or given.output_format
    if form is None:
        return None
    if form.type != "json_schema" or form.schema is None:
        raise RequestError("output_config.format: use json_schema with its schema")
    return form.schema


def _thinking(given: _BodyIn) -> Thinking | None:
    """How to think is said in two places: whether, and how hard."""
    effort = (given.output_config and given.output_config.effort) or ""
    config = given.thinking
    if config is None:
        return Thinking(effort=effort) if effort else None
    mode = _THINKING.get(config.type)
    if mode is None:
        raise RequestError("thinking.type: use adaptive, enabled or disabled")
    return Thinking(mode, config.budget_tokens, effort, config.display or "")  # type: ignore[arg-type]


def _service_tier(given: str | None, unsaid: set[str]) -> str:
    if given is not None and given not in _SERVICE_TIERS:
        unsaid.add("service_tier")
    return _SERVICE_TIERS.get(given or "", "")
