"""A Chat Completions body read whole, into the neutral `Conversation`.

Done only where dialects differ. What the neutral form cannot carry is named in `unsaid`, never
dropped in silence; what would change the meaning of the request if it were left out is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from twotier.domain.message import Conversation
from twotier.errors import RequestError, UnsayableError
from twotier.protocols.openai_chat.messages import MessageIn, read_message
from twotier.protocols.openai_chat.thinking import ReasoningIn, ThinkingIn, read_thinking
from twotier.protocols.openai_chat.tools import ChoiceIn, ToolIn, read_tools
from twotier.protocols.wire import read_client_json


class _JsonSchemaIn(msgspec.Struct):
    schema: dict[str, Any] | None = None


class _FormatIn(msgspec.Struct):
    type: str
    json_schema: _JsonSchemaIn = msgspec.field(default_factory=_JsonSchemaIn)


class _TemplateIn(msgspec.Struct):
    enable_thinking: bool | None = None


class _BodyIn(msgspec.Struct):
    messages: list[MessageIn]
    tools: list[ToolIn] | None = None
    tool_choice: str | ChoiceIn | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    response_format: _FormatIn | None = None
    reasoning_effort: str | None = None
    reasoning: ReasoningIn | None = None
    thinking: ThinkingIn | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: _TemplateIn | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    metadata: dict[str, Any] | None = None
    modalities: list[str] | None = None


_BODY = msgspec.json.Decoder(_BodyIn)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KWARGS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# These say how to deliver the answer, not what to answer; `n` was checked with the head.
_DELIVERY = frozenset({"model", "stream", "stream_options", "n"})
_SAID = frozenset(_BodyIn.__struct_fields__) | _DELIVERY
_REFUSED = {
    "functions": "use tools",
    "function_call": "use tool_choice",
    "audio": "ask for text",
    "web_search_options": "give it a tool that searches",
}
# What means the same as leaving it out.
_PLAIN: Mapping[str, frozenset[bytes]] = {
    "functions": frozenset({b"[]"}),
    "frequency_penalty": frozenset({b"0", b"0.0"}),
    "presence_penalty": frozenset({b"0", b"0.0"}),
    "logit_bias": frozenset({b"{}"}),
    "logprobs": frozenset({b"false"}),
    "store": frozenset({b"false"}),
    "verbosity": frozenset({b'"medium"'}),
}
_SERVICE_TIERS = {
    "auto": "auto",
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",  # its other name
}


def read_conversation(body: bytes) -> Conversation:
    """The whole request. Raises `RequestError` that names the field which is wrong."""
    given = read_client_json(_BODY, body)
    fields = read_client_json(_FIELDS, body)
    present = {name: bytes(raw) for name, raw in fields.items() if bytes(raw) != b"null"}
    _refuse(present, given)
    tools, choice = read_tools(
        given.tools or [], given.tool_choice, parallel=given.parallel_tool_calls
    )
    return Conversation(
        messages=tuple(read_message(message, at) for at, message in enumerate(given.messages)),
        tools=tools,
        tool_choice=choice,
        max_output_tokens=(
            given.max_completion_tokens if given.max_tokens is None else given.max_tokens
        ),
        temperature=given.temperature,
        top_p=given.top_p,
        top_k=given.top_k,
        stop=(given.stop,) if isinstance(given.stop, str) else tuple(given.stop or ()),
        output_schema=_output_schema(given.response_format),
        thinking=read_thinking(
            given.reasoning_effort,
            given.reasoning,
            thinking=given.thinking,
            enable_thinking=_enable_thinking(given),
        ),
        service_tier=_SERVICE_TIERS.get(given.service_tier or "", ""),
        metadata=_labels(given),
        user=given.user or given.safety_identifier or "",
        unsaid=tuple(_unsaid(present, given)),
    )


def _refuse(present: Mapping[str, bytes], given: _BodyIn) -> None:
    """Raise for what would be another question if it were left out."""
    for name, instead in _REFUSED.items():
        if name in present and present[name] not in _PLAIN.get(name, ()):
            raise UnsayableError(f"{name}: this model cannot be asked with it; {instead}")
    if set(given.modalities or ()) - {"text"}:
        raise UnsayableError("modalities: this model answers in text only; ask for text")


def _unsaid(present: Mapping[str, bytes], given: _BodyIn) -> Iterable[str]:
    """What stands in the request and in no neutral field, by name."""
    for name in sorted(present.keys() - _SAID):
        if present[name] not in _PLAIN.get(name, ()):
            yield name
    if any(message.name for message in given.messages):
        yield "messages[].name"
    if any(
        detail.foreign for message in given.messages for detail in message.reasoning_details or ()
    ):
        yield "messages[].reasoning_details"
    if given.service_tier and given.service_tier not in _SERVICE_TIERS:
        yield "service_tier"
    if len(_labels(given)) < len(given.metadata or ()):
        yield "metadata"
    if "chat_template_kwargs" in present:
        kwargs = read_client_json(_KWARGS, present["chat_template_kwargs"])
        if kwargs.keys() - {"enable_thinking"}:
            yield "chat_template_kwargs"


def _labels(given: _BodyIn) -> dict[str, str]:
    """The metadata that are plain labels, as OpenAI has them; some clients nest more."""
    labels = given.metadata or {}
    return {name: value for name, value in labels.items() if isinstance(value, str)}


def _enable_thinking(given: _BodyIn) -> bool | None:
    """The switch of open models' templates, at either of its two places."""
    template = given.chat_template_kwargs
    return given.enable_thinking if template is None else template.enable_thinking


def _output_schema(given: _FormatIn | None) -> dict[str, Any] | None:
    """None for free text, `{}` for any JSON object, else the schema."""
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        return {}
    if given.type == "json_schema" and given.json_schema.schema is not None:
        return given.json_schema.schema
    raise RequestError("response_format: use text, json_object, or json_schema with its schema")
