"""A Responses body read whole, into the neutral `Conversation`.

Done only where dialects differ. What the neutral form cannot carry is named in `unsaid`, never
dropped in silence; what would change the meaning of the request if it were left out is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from twotier.domain.message import Conversation, Message, Text, Thinking, Tool, ToolChoice
from twotier.errors import RequestError
from twotier.protocols.openai_responses.items import ItemIn, read_items
from twotier.protocols.openai_responses.tools import (
    ADDED,
    ChoiceIn,
    ToolIn,
    named_tools,
    read_choice,
    read_tools,
)
from twotier.protocols.wire import read_client_json


class _FormatIn(msgspec.Struct):
    type: str = "text"
    schema: dict[str, Any] | None = None
    description: str | None = None


class _TextIn(msgspec.Struct):
    format: _FormatIn | None = None
    verbosity: str | None = None


class _ReasoningIn(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None  # its older name
    context: str | None = None
    mode: str | None = None


class _BodyIn(msgspec.Struct):
    input: str | list[_InputIn]
    instructions: str | None = None
    tools: list[ToolIn] | None = None
    tool_choice: str | ChoiceIn | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    text: _TextIn | None = None
    reasoning: _ReasoningIn | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    include: list[str] | None = None
    store: bool | None = None
    truncation: str | None = None


class _InputIn(ItemIn):
    tools: list[ToolIn] | None = None


_BODY = msgspec.json.Decoder(_BodyIn)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# These say how to deliver the answer, not what to answer; the first four were looked at with the
# head, and are empty here.
_DELIVERY = frozenset(
    {"previous_response_id", "conversation", "background", "prompt"}
    | {"model", "stream", "stream_options"}
)
_SAID = frozenset(_BodyIn.__struct_fields__) | _DELIVERY
_SEALED = "reasoning.encrypted_content"  # what is sealed is always given
_SERVICE_TIERS = frozenset({"auto", "default", "flex", "priority"})
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})


def read_conversation(body: bytes) -> Conversation:
    """The whole request. Raises `RequestError` that names the field which is wrong."""
    given = read_client_json(_BODY, body)
    unsaid = {
        name
        for name, raw in read_client_json(_FIELDS, body).items()
        if name not in _SAID and bytes(raw) != b"null"
    }
    tools, choice = _tools(given, body, unsaid=unsaid)
    return Conversation(
        messages=_messages(given, unsaid=unsaid),
        tools=tools,
        tool_choice=choice,
        max_output_tokens=given.max_output_tokens,
        temperature=given.temperature,
        top_p=given.top_p,
        output_schema=_output_schema(given.text or _TextIn(), unsaid=unsaid),
        thinking=_thinking(given.reasoning or _ReasoningIn(), unsaid=unsaid),
        service_tier=_service_tier(given.service_tier, unsaid=unsaid),
        metadata=given.metadata or {},
        user=given.safety_identifier or given.user or "",
        unsaid=tuple(sorted(unsaid | set(_delivery(given)))),
    )


def _messages(given: _BodyIn, *, unsaid: set[str]) -> tuple[Message, ...]:
    first = (Message("system", (Text(given.instructions),)),) if given.instructions else ()
    if isinstance(given.input, str):
        return (*first, Message("user", (Text(given.input),)))
    return (*first, *read_items(given.input, unsaid=unsaid))


def _tools(
    given: _BodyIn, body: bytes, *, unsaid: set[str]
) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The tools that the choice leaves, and the choice among them."""
    offered = list(given.tools or ())
    if not isinstance(given.input, str):
        added = (item for item in given.input if item.type == ADDED)
        offered += [tool for item in added for tool in item.tools or ()]
    tools = read_tools(offered, unsaid=unsaid)
    choice, allowed = read_choice(given.tool_choice, given.parallel_tool_calls)
    if allowed is None and not (choice and choice.name):
        return tools, choice
    # A choice names a tool as the client knows it; in a namespace it has another name here.
    named = named_tools(body)
    inner = {one.name: name for name, one in named.items() if one.namespace}
    if allowed is not None:
        left = {name if name in named else inner.get(name, name) for name in allowed}
        return tuple(tool for tool in tools if tool.name in left), choice
    if choice and choice.name not in named:
        choice = replace(choice, name=inner.get(choice.name, choice.name))
    return tools, choice


def _thinking(given: _ReasoningIn, *, unsaid: set[str]) -> Thinking | None:
    for field in ("context", "mode"):
        if getattr(given, field):
            unsaid.add(f"reasoning.{field}")
    effort = given.effort or ""
    if effort and effort not in _EFFORTS:
        raise RequestError(f"reasoning.effort: {effort!r} is unknown; use low, medium or high")
    said = Thinking(
        mode="off" if effort == "none" else "",
        effort=effort,
        shown=given.summary or given.generate_summary or "",
    )
    return None if said == Thinking() else said


def _output_schema(given: _TextIn, *, unsaid: set[str]) -> Mapping[str, Any] | None:
    """None for free text, `{}` for any JSON object, else the schema."""
    if given.verbosity:
        unsaid.add("text.verbosity")
    form = given.format or _FormatIn()
    if form.description:
        unsaid.add("text.format.description")
    if form.type == "text":
        return None
    if form.type == "json_object":
        return {}
    if form.type == "json_schema" and form.schema is not None:
        return form.schema
    raise RequestError("text.format: use text, json_object, or json_schema with its schema")


def _service_tier(given: str | None, *, unsaid: set[str]) -> str:
    tier = "priority" if given == "fast" else given or ""  # its newer name
    if tier and tier not in _SERVICE_TIERS:
        unsaid.add("service_tier")
        return ""
    return tier


def _delivery(given: _BodyIn) -> list[str]:
    """Wishes that nobody but OpenAI can fulfil."""
    wishes = {
        "include": set(given.include or ()) - {_SEALED},
        "store": given.store,
        "truncation": given.truncation not in (None, "disabled"),
        "user": given.user and given.safety_identifier and given.user != given.safety_identifier,
    }
    return [name for name, wished in wishes.items() if wished]
