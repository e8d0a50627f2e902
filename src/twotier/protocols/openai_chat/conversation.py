"""A Chat Completions body read whole, into the neutral `Conversation`.

Done only where dialects differ. What the neutral form cannot carry is named in `unsaid`, never
dropped in silence; what would change the meaning of the request if it were left out is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from twotier.protocols.wire import media_type_and_data, read_client_json


class _UrlIn(msgspec.Struct):
    url: str
    detail: str | None = None


class _PartIn(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _UrlIn | None = None
    refusal: str | None = None
    cache_control: dict[str, Any] | None = None  # an extension that routers and clients share


class _FunctionIn(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] = ""


class _CallIn(msgspec.Struct):
    function: _FunctionIn
    id: str = ""


class _MessageIn(msgspec.Struct):
    role: str
    content: str | list[_PartIn] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # mlx-lm's name for the same
    tool_calls: list[_CallIn] | None = None
    tool_call_id: str | None = None


class _FunctionToolIn(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _ToolIn(msgspec.Struct):
    type: str = "function"
    function: _FunctionToolIn | None = None


class _NamedIn(msgspec.Struct):
    name: str = ""


class _AllowedToolIn(msgspec.Struct):
    function: _NamedIn = msgspec.field(default_factory=_NamedIn)


class _AllowedIn(msgspec.Struct):
    mode: str = "auto"
    tools: list[_AllowedToolIn] = msgspec.field(default_factory=list)


class _ChoiceIn(msgspec.Struct):
    type: str = ""
    function: _NamedIn = msgspec.field(default_factory=_NamedIn)
    allowed_tools: _AllowedIn = msgspec.field(default_factory=_AllowedIn)


class _JsonSchemaIn(msgspec.Struct):
    schema: dict[str, Any] | None = None


class _FormatIn(msgspec.Struct):
    type: str
    json_schema: _JsonSchemaIn = msgspec.field(default_factory=_JsonSchemaIn)


class _BodyIn(msgspec.Struct):
    messages: list[_MessageIn]
    tools: list[_ToolIn] | None = None
    tool_choice: str | _ChoiceIn | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    response_format: _FormatIn | None = None
    user: str | None = None


_BODY = msgspec.json.Decoder(_BodyIn)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode
# These say how to deliver the answer, not what to answer; `n` was checked with the head.
_DELIVERY = frozenset({"model", "stream", "stream_options", "n"})
_SAID = frozenset(_BodyIn.__struct_fields__) | _DELIVERY
_REFUSED = {"functions": "tools", "function_call": "tool_choice", "audio": "text"}


def read_conversation(body: bytes) -> Conversation:
    """The whole request. Raises `RequestError` that names the field which is wrong."""
    given = read_client_json(_BODY, body)
    present = {
        name for name, raw in read_client_json(_FIELDS, body).items() if bytes(raw) != b"null"
    }
    for name, instead in _REFUSED.items():
        if name in present:
            raise RequestError(f"{name}: this model cannot be asked with it; use {instead}")
    unsaid = sorted(present - _SAID)
    if any(message.name for message in given.messages):
        unsaid.append("messages[].name")
    tools, choice = _tools(given)
    return Conversation(
        messages=tuple(_message(message, at) for at, message in enumerate(given.messages)),
        tools=tools,
        tool_choice=choice,
        max_output_tokens=(
            given.max_completion_tokens if given.max_tokens is None else given.max_tokens
        ),
        temperature=given.temperature,
        top_p=given.top_p,
        stop=(given.stop,) if isinstance(given.stop, str) else tuple(given.stop or ()),
        output_schema=_output_schema(given.response_format),
        user=given.user or "",
        unsaid=tuple(unsaid),
    )


def _message(given: _MessageIn, at: int) -> Message:
    match given.role:
        case "system" | "developer":  # one meaning, two names
            return Message("system", tuple(_content(given, at)))
        case "user":
            return Message("user", tuple(_content(given, at)))
        case "assistant":
            return Message("assistant", tuple(_assistant(given, at)))
        case "tool":
            if not given.tool_call_id:
                raise RequestError(f"messages[{at}].tool_call_id: is missing; name the call")
            return Message("tool", (ToolResult(given.tool_call_id, tuple(_content(given, at))),))
        case role:
            raise RequestError(
                f"messages[{at}].role: {role!r} is unknown; use system, user, assistant or tool"
            )


def _content(given: _MessageIn, at: int) -> Iterator[Text | Image]:
    if given.content is None:
        return
    if isinstance(given.content, str):
        yield Text(given.content)
        return
    for number, part in enumerate(given.content):
        yield _part(part, f"messages[{at}].content[{number}]")


def _part(part: _PartIn, where: str) -> Text | Image:
    if part.type == "text" and part.text is not None:
        return Text(part.text, cached=part.cache_control is not None)
    if part.type == "image_url" and part.image_url is not None:
        return read_image(part.image_url.url, where)
    if part.type == "refusal" and part.refusal is not None:
        return Text(part.refusal)
    raise RequestError(f"{where}: a part of type {part.type!r} cannot be sent to this model")


def read_image(url: str, where: str) -> Image:
    """An image part's URL: a data URL is taken apart, http(s) is passed on."""
    inline = media_type_and_data(url)
    if inline is not None:
        return Image(media_type=inline[0], data=inline[1])
    if url.startswith(("https://", "http://")):
        return Image(url=url)
    raise RequestError(f"{where}.image_url.url: give an http(s) URL or a base64 data URL")


def _assistant(given: _MessageIn, at: int) -> Iterator[Part]:
    thinking = given.reasoning_content or given.reasoning
    if thinking:
        yield Reasoning(thinking)
    yield from _content(given, at)
    if given.refusal:
        yield Text(given.refusal)
    for call in given.tool_calls or ():
        arguments = call.function.arguments
        text = arguments if isinstance(arguments, str) else _encode(arguments).decode()
        yield ToolCall(call.id, call.function.name, text)


def _tools(given: _BodyIn) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    tools = tuple(_tool(tool, at) for at, tool in enumerate(given.tools or ()))
    choice, allowed = _choice(given.tool_choice, given.parallel_tool_calls)
    if allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in allowed)
    return tools, choice


def _tool(given: _ToolIn, at: int) -> Tool:
    function = given.function
    if given.type != "function" or function is None:
        raise RequestError(f"tools[{at}].type: {given.type!r} is not possible; use a function tool")
    return Tool(
        function.name, function.description or "", function.parameters or {}, function.strict
    )


def _choice(
    given: str | _ChoiceIn | None, parallel: bool | None
) -> tuple[ToolChoice | None, set[str] | None]:
    """The choice, and the names it leaves (`allowed_tools`), None for all."""
    match given:
        case None if parallel is None:
            return None, None
        case None | "auto":
            return ToolChoice("auto", parallel=parallel), None
        case "none":
            return ToolChoice("none", parallel=parallel), None
        case "required":
            return ToolChoice("required", parallel=parallel), None
        case _ChoiceIn(type="function", function=_NamedIn(name=name)) if name:
            return ToolChoice("tool", name, parallel), None
        case _ChoiceIn(type="allowed_tools", allowed_tools=allowed):
            names = {tool.function.name for tool in allowed.tools}
            mode = "required" if allowed.mode == "required" else "auto"
            return ToolChoice(mode, parallel=parallel), names  # type: ignore[arg-type]
        case _:
            raise RequestError(
                "tool_choice: use auto, none, required, a function by name, or allowed_tools"
            )


def _output_schema(given: _FormatIn | None) -> dict[str, Any] | None:
    """None for free text, `{}` for any JSON object, else the schema."""
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        return {}
    if given.type == "json_schema" and given.json_schema.schema is not None:
        return given.json_schema.schema
    raise RequestError("response_format: use text, json_object, or json_schema with its schema")
