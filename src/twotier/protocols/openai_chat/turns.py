"""Neutral turns written as Chat Completions messages.

The rules, each learnt from a template or a server that fails without it: system texts at the start
are one message, later ones stand as the user's (templates drop or refuse them there); a result
stands directly behind its call, in the order of the calls, and a call that never got one gets a
stand-in; a result without a call is told by the user; a `tool` message is text only, so images and
files of results follow behind the last of them; the arguments of a call are a JSON object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

import msgspec

from twotier.domain.message import (
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from twotier.errors import UnsayableError
from twotier.protocols.openai_files import file_data

ID_CHARS_MAX = 40  # OpenAI's own limit
FAILED = "The tool failed: "
NO_RESULT = "There is no result: the call was not finished."

_ARGUMENTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode
Shown = Text | Image | Document
_Place = tuple[int, int]  # of a part: its message, and its number there


def write_turns(messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """The messages. Raises `RequestError` for what no server of this dialect can be given."""
    leading = list(takewhile(lambda message: message.role == "system", messages))
    yield from _system([part for message in leading for part in message.parts])
    results = _Results(messages)
    for number, message in enumerate(messages):
        if number < len(leading):
            continue
        rest, told = _split(message, results, number=number)
        if told:
            yield _said("user", told)
        if message.role == "assistant":
            yield _assistant(rest)
            yield from _results(results, message, number=number)
        elif rest or not message.parts:
            yield _said("user", _late(rest) if message.role == "system" else rest)


def _split(message: Message, results: _Results, *, number: int) -> tuple[list[Part], list[Shown]]:
    """The parts of message `number` that are no results, and the results that no call fetches."""
    rest: list[Part] = []
    told: list[Shown] = []
    for at, part in enumerate(message.parts):
        if not isinstance(part, ToolResult):
            rest.append(part)
        elif results.orphaned((number, at)):
            told += _told(part)
    return rest, told


class _Results:
    """Which result answers which call.

    Ids are not always unique (servers count their calls from 0 in every answer): a result belongs
    to the last message before it whose call has its id and no result yet, else to the first after.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self._of: dict[_Place, ToolResult] = {}
        self._used: set[_Place] = set()
        self._open: dict[str, list[_Place]] = {}
        self._early: dict[str, list[tuple[_Place, ToolResult]]] = {}
        for number, message in enumerate(messages):
            for at, part in enumerate(message.parts):
                if isinstance(part, ToolCall):
                    self._called(part, (number, at))
                elif isinstance(part, ToolResult):
                    self._answered(part, (number, at))

    def _called(self, call: ToolCall, place: _Place) -> None:
        if early := self._early.get(call.id):
            used, self._of[place] = early.pop(0)
            self._used.add(used)
        else:
            self._open.setdefault(call.id, []).append(place)

    def _answered(self, result: ToolResult, place: _Place) -> None:
        if calls := self._open.get(result.call_id):
            last = calls[-1][0]
            first = next(at for at, (number, _) in enumerate(calls) if number == last)
            self._of[calls.pop(first)] = result
            self._used.add(place)
        else:
            self._early.setdefault(result.call_id, []).append((place, result))

    def of(self, call: ToolCall, place: _Place) -> ToolResult:
        """The result of the call at this place, or what stands in for it."""
        return self._of.get(place) or ToolResult(call.id, (Text(NO_RESULT),))

    def orphaned(self, place: _Place) -> bool:
        """Whether the result at this place answers no call."""
        return place not in self._used


def _system(parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    """One message for all that is said at the start; images cannot stand in it."""
    texts = [part for part in parts if isinstance(part, Text)]
    others = [part for part in parts if isinstance(part, Image | Document)]
    if texts:
        yield {"role": "system", "content": _content(texts)}
    if others:
        yield _said("user", others)


def _late(parts: Iterable[Part]) -> list[Part]:
    """A system text in mid-conversation, marked as one."""
    return [
        Text(f"<system>\n{part.text}\n</system>") if isinstance(part, Text) else part
        for part in parts
    ]


def _results(results: _Results, message: Message, *, number: int) -> Iterator[dict[str, Any]]:
    """What the calls of message `number` came to."""
    seen: list[Shown] = []
    for at, call in enumerate(message.parts):
        if not isinstance(call, ToolCall):
            continue
        result = results.of(call, (number, at))
        parts = [_plain(part) for part in _marked(result)]
        texts = [part for part in parts if isinstance(part, Text)]
        seen += [part for part in parts if not isinstance(part, Text)]
        yield {"role": "tool", "tool_call_id": valid_id(call.id), "content": _content(texts)}
    if seen:
        yield _said("user", seen)


def _marked(result: ToolResult) -> list[Shown]:
    """The parts of a result; a failure is said in words, because there is no field for it."""
    parts = list(result.parts)
    if not result.failed:
        return parts
    if parts and isinstance(parts[0], Text):
        return [Text(FAILED + parts[0].text), *parts[1:]]
    return [Text(FAILED.rstrip(": ") + "."), *parts]


def _told(result: ToolResult) -> list[Shown]:
    """A result whose call is not in the conversation, as the user would tell it."""
    return [Text(f"Result of the tool call {result.call_id}:"), *_marked(result)]


def _said(role: str, parts: Sequence[Part]) -> dict[str, Any]:
    shown = [part for part in parts if isinstance(part, Text | Image | Document)]
    return {"role": role, "content": _content(shown)}


def _assistant(parts: Sequence[Part]) -> dict[str, Any]:
    said = [part for part in parts if isinstance(part, Text)]
    calls = [_call(part) for part in parts if isinstance(part, ToolCall)]
    # Signatures and what is hidden mean nothing to a server of this dialect.
    thoughts = [part.text for part in parts if isinstance(part, Reasoning) and part.text]
    message: dict[str, Any] = {"role": "assistant", "content": _content(said) if said else None}
    if not said and not calls:
        message["content"] = ""
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return message


def _content(parts: Sequence[Shown]) -> str | list[dict[str, Any]]:
    """A plain string where one is enough: chat templates of small models know nothing else."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    written = [_part(part) for part in parts]
    return written[0]["text"] if len(parts) == 1 and "text" in written[0] else written


def _part(part: Shown) -> dict[str, Any]:
    match _plain(part):
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image() as image:
            url = image.url or f"data:{image.media_type};base64,{image.data}"
            detail = {"detail": image.detail} if image.detail else {}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case document:
            return {"type": "file", "file": _file(document)}


def _plain(part: Shown) -> Shown:
    """A document that is text goes as text, which every server can read."""
    if isinstance(part, Document) and part.text:
        name = part.name or "document"
        return Text(f'<document name="{name}">\n{part.text}\n</document>')
    return part


def _file(document: Document) -> dict[str, str]:
    if document.url:
        raise UnsayableError(
            f"document {document.url}: this model takes no documents by URL; send it inline"
        )
    return {"filename": document.name or "document", "file_data": file_data(document)}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": sound_arguments(call.arguments)}
    return {"id": valid_id(call.id), "type": "function", "function": function}


def sound_arguments(arguments: str) -> str:
    """The arguments as they were, if they are a JSON object: mlx-lm and llama.cpp refuse the whole
    conversation otherwise. A model that was cut off leaves other ones; they are shown as they were.
    """
    if not arguments.strip():
        return "{}"
    try:
        _ARGUMENTS.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return _encode({"unparsed": arguments}).decode()
    return arguments


def valid_id(call_id: str) -> str:
    """The id within OpenAI's limit. The same id always gives the same, different ids differ."""
    if 0 < len(call_id) <= ID_CHARS_MAX:
        return call_id
    return "call_" + hashlib.sha256(call_id.encode()).hexdigest()[:24]
