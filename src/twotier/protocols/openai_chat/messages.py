"""The messages of a Chat Completions body, read into neutral turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from twotier.domain.message import (
    Cache,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from twotier.errors import RequestError, UnsayableError
from twotier.protocols.freeform import wrapped
from twotier.protocols.openai_chat.chunk import CallPiece
from twotier.protocols.openai_chat.details import DetailIn, read_details
from twotier.protocols.openai_files import read_file_data
from twotier.protocols.wire import media_type_and_data


class CacheIn(msgspec.Struct):
    """A cache breakpoint: Anthropic's `cache_control`, which routers and their clients share."""

    ttl: str | None = None


class _UrlIn(msgspec.Struct):
    url: str
    detail: str | None = None


class _FileIn(msgspec.Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _PartIn(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _UrlIn | None = None
    file: _FileIn | None = None
    refusal: str | None = None
    cache_control: CacheIn | None = None
    prompt_cache_breakpoint: CacheIn | None = None  # OpenAI's own form of it


class MessageIn(msgspec.Struct):
    """One message of any role."""

    role: str
    content: str | list[_PartIn] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # mlx-lm's name for the same
    reasoning_details: list[DetailIn] | None = None
    tool_calls: list[CallPiece] | None = None
    tool_call_id: str | None = None
    cache_control: CacheIn | None = None
    function_call: Any = None
    audio: Any = None


_KNOWN = frozenset({"text", "image_url", "file", "refusal"})  # each has a field of its name
_NOT_POSSIBLE = {
    "input_audio": "sound cannot be sent to this model; send its text",
    "video_url": "videos cannot be sent to this model; send single images",
}
Shown = Text | Image | Document


def read_message(given: MessageIn, at: int) -> Message:
    """One message as a turn. Raises `RequestError` that names the field which is wrong."""
    match given.role:
        case "system" | "developer":  # one meaning, two names
            return Message("system", _cached(given, tuple(_content(given, at))))
        case "user":
            return Message("user", _cached(given, tuple(_content(given, at))))
        case "assistant":
            return Message("assistant", _cached(given, tuple(_assistant(given, at))))
        case "tool":
            if not given.tool_call_id:
                raise RequestError(f"messages[{at}].tool_call_id: is missing; name the call")
            result = ToolResult(given.tool_call_id, tuple(_content(given, at)))
            return Message("tool", _cached(given, (result,)))
        case role:
            raise RequestError(
                f"messages[{at}].role: {role!r} is unknown; use system, user, assistant or tool"
            )


def cache_of(given: CacheIn | None) -> Cache:
    """The life of a breakpoint. OpenAI's are of half an hour and more: the longer one here."""
    if given is None:
        return ""
    return "1h" if given.ttl in ("1h", "30m", "12h") else "5m"


def _cached(given: MessageIn, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts of a message; its own breakpoint stands behind the last that can carry one."""
    cache = cache_of(given.cache_control)
    if not cache or not parts or isinstance(parts[-1], Reasoning):
        return parts
    return (*parts[:-1], replace(parts[-1], cache=cache))


def _content(given: MessageIn, at: int) -> Iterator[Shown]:
    if given.content is None:
        return
    if isinstance(given.content, str):
        yield Text(given.content)
        return
    for number, part in enumerate(given.content):
        yield _part(part, f"messages[{at}].content[{number}]")


def _part(part: _PartIn, where: str) -> Shown:
    cache = cache_of(part.cache_control or part.prompt_cache_breakpoint)
    if part.type == "text" and part.text is not None:
        return Text(part.text, cache)
    if part.type == "image_url" and part.image_url is not None:
        image = read_image(part.image_url.url, where)
        return replace(image, detail=part.image_url.detail or "", cache=cache)
    if part.type == "file" and part.file is not None:
        return replace(_file(part.file, f"{where}.file"), cache=cache)
    if part.type == "refusal" and part.refusal is not None:
        return Text(part.refusal)
    if part.type in _KNOWN:
        raise RequestError(f"{where}.{part.type}: is missing")
    problem = _NOT_POSSIBLE.get(part.type, "this type of part cannot be sent to this model")
    raise UnsayableError(f"{where}: {part.type!r}: {problem}")


def read_image(url: str, where: str) -> Image:
    """An image part's URL: a data URL is taken apart, http(s) is passed on."""
    inline = media_type_and_data(url)
    if inline is not None:
        return Image(media_type=inline[0], data=inline[1])
    if url.startswith(("https://", "http://")):
        return Image(url=url)
    raise RequestError(f"{where}.image_url.url: give an http(s) URL or a base64 data URL")


def _file(given: _FileIn, where: str) -> Document:
    name = given.filename or ""
    if not given.file_data:
        if given.file_id:
            raise UnsayableError(f"{where}.file_id: files are not kept here; send it as file_data")
        raise RequestError(f"{where}.file_data: is missing; send the file in base64")
    if given.file_data.startswith(("https://", "http://")):  # OpenRouter's clients
        return Document(name, url=given.file_data)
    return read_file_data(given.file_data, name, where=where)


def _assistant(given: MessageIn, at: int) -> Iterator[Part]:
    if given.function_call is not None:
        raise UnsayableError(f"messages[{at}].function_call: is of an old form; use tool_calls")
    if given.audio is not None:
        raise UnsayableError(f"messages[{at}].audio: cannot be sent to this model; send its text")
    yield from read_details(
        given.reasoning_details, given.reasoning_content or given.reasoning or ""
    )
    yield from _content(given, at)
    if given.refusal:
        yield Text(given.refusal)
    for number, call in enumerate(given.tool_calls or ()):
        yield _call(call, f"messages[{at}].tool_calls[{number}]")


def _call(call: CallPiece, where: str) -> ToolCall:
    if call.custom is not None and call.custom.name:
        text = wrapped(call.custom.input or "")
        return ToolCall(call.id or "", call.custom.name, text, freeform=True)
    if call.function is None or not call.function.name:
        raise RequestError(f"{where}.function.name: is missing; name the tool that was called")
    return ToolCall(call.id or "", call.function.name, call.function.text())
