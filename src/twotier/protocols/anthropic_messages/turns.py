"""Messages as the alternating turns the API takes, repaired by rule.

- Neighbours of one role become one turn; empty texts and turns vanish.
- The result of a call opens the user's turn right behind it, wherever the client put it. A call
  nobody answered gets a result that says so, and a result nobody asked for becomes text.
- Ids are made unique: small servers count their calls from nought in every turn.
- Thinking goes back only with its signature, and never ends a turn.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

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
from twotier.protocols.anthropic_messages.ids import valid_id
from twotier.protocols.anthropic_messages.message import arguments_object

# Said for a conversation that begins with the assistant, as chat windows with a greeting do.
OPENING = "(The conversation begins with your message.)"
UNANSWERED = "(This call was never answered.)"
UNASKED = "(The result of a tool call that is not a part of this conversation.)"
_THOUGHTS = ("thinking", "redacted_thinking")
# How what OpenAI encrypted begins: the API would refuse it as it refuses anything it did not make.
_OPENAI_HIDDEN = "gAAAA"

Block = dict[str, Any]
Turn = dict[str, Any]
_Run = tuple[str, list[Part]]
_Place = tuple[int, int]  # of a part: its run, and its number there


def turns(messages: Sequence[Message]) -> list[Turn]:
    """The turns. Raises `RequestError` if there is nothing to answer."""
    made = _merged(turn for turn in _written(_runs(messages)) if turn["content"])
    if not made:
        raise RequestError("messages: nothing to answer; send a user message with some text")
    if made[0]["role"] == "assistant":
        made.insert(0, {"role": "user", "content": [{"type": "text", "text": OPENING}]})
    last = made[-1]["content"][-1]
    if made[-1]["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()  # the API refuses blanks where it has to go on
    return made


def unsigned(made: Sequence[Turn]) -> bool:
    """Whether the turns end in the middle of tool calls before which the model has not thought."""
    first: Turn | None = None
    for turn in reversed(made):
        if turn["role"] == "assistant":
            first = turn
        elif all(block["type"] != "tool_result" for block in turn["content"]):
            break
    return first is not None and first["content"][0]["type"] not in _THOUGHTS


def _runs(messages: Iterable[Message]) -> list[_Run]:
    """Neighbours of one role together; what the system says stands elsewhere."""
    runs: list[_Run] = []
    for message in messages:
        for part in () if message.role == "system" else message.parts:
            role = _role(part, message.role)
            if not runs or runs[-1][0] != role:
                runs.append((role, []))
            runs[-1][1].append(part)
    return runs


def _role(part: Part, role: str) -> str:
    """Whose turn a part belongs to, whatever turn the client put it in."""
    if isinstance(part, ToolCall | Reasoning):
        return "assistant"
    return "assistant" if role == "assistant" and not isinstance(part, ToolResult) else "user"


def _merged(made: Iterable[Turn]) -> list[Turn]:
    """Neighbours of one role together again, where the turn between them had nothing to say."""
    merged: list[Turn] = []
    for turn in made:
        if merged and merged[-1]["role"] == turn["role"]:
            merged[-1]["content"] += turn["content"]
        else:
            merged.append(turn)
    return merged


def _written(runs: Sequence[_Run]) -> Iterator[Turn]:
    """A turn for each run, some of them empty, and one at the end for calls nobody answered."""
    answers = _Answers(runs)
    ids = _Ids()
    results: list[Block] = []
    for number, (role, parts) in enumerate(runs):
        content, results = results, []
        for at, part in enumerate(parts):
            match part:
                case ToolCall():
                    unique = ids.unique(part.id)
                    content.append(_call(part, unique))
                    results.append(_result(answers.of(part, (number, at)), unique))
                case ToolResult() if not answers.has((number, at)):
                    content += _unasked(part)
                case _:
                    content += _blocks(part)
        while role == "assistant" and content and content[-1]["type"] in _THOUGHTS:
            content.pop()
        yield {"role": role, "content": content}
    yield {"role": "user", "content": results}


class _Answers:
    """Which result answers which call: the last call before it that has its id and no result yet,
    else the first one after it.
    """

    def __init__(self, runs: Sequence[_Run]) -> None:
        self._result_of: dict[_Place, ToolResult] = {}
        self._placed: set[_Place] = set()
        self._open: dict[str, list[_Place]] = {}
        self._early: dict[str, list[tuple[_Place, ToolResult]]] = {}
        for place, part in _places(runs):
            if isinstance(part, ToolCall):
                self._call(part, place)
            elif isinstance(part, ToolResult):
                self._result(part, place)

    def _call(self, call: ToolCall, place: _Place) -> None:
        if waiting := self._early.get(call.id):
            result_place, self._result_of[place] = waiting.pop(0)
            self._placed.add(result_place)
        else:
            self._open.setdefault(call.id, []).append(place)

    def _result(self, result: ToolResult, place: _Place) -> None:
        if calls := self._open.get(result.call_id):
            self._result_of[_latest(calls)] = result
            self._placed.add(place)
        else:
            self._early.setdefault(result.call_id, []).append((place, result))

    def of(self, call: ToolCall, place: _Place) -> ToolResult:
        """The result of the call at this place; one that says so where there is none."""
        missing = ToolResult(call.id, (Text(UNANSWERED),), failed=True)
        return self._result_of.get(place, missing)

    def has(self, place: _Place) -> bool:
        """Whether the result at this place answers a call."""
        return place in self._placed


def _places(runs: Sequence[_Run]) -> Iterator[tuple[_Place, Part]]:
    for number, (_, parts) in enumerate(runs):
        for at, part in enumerate(parts):
            yield (number, at), part


def _latest(calls: list[_Place]) -> _Place:
    """The first call of the latest run, taken from the list."""
    latest = next(at for at, (number, _) in enumerate(calls) if number == calls[-1][0])
    return calls.pop(latest)


class _Ids:
    """Makes ids unique."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, call_id: str) -> str:
        """An id in the API's alphabet that no other call has."""
        plain = unique = valid_id(call_id)
        number = 1
        while unique in self._taken:
            number += 1
            unique = f"{plain}_{number}"
        self._taken.add(unique)
        return unique


def _blocks(part: Part) -> Iterator[Block]:
    """The content blocks of one part: none for what must not be sent."""
    match part:
        case Text() if part.text.strip():
            yield text_block(part)
        case Image():
            yield _image(part)
        case Document() if part.url or part.data or part.text.strip():
            yield _document(part)
        case Reasoning(hidden=hidden) if hidden and not hidden.startswith(_OPENAI_HIDDEN):
            yield {"type": "redacted_thinking", "data": hidden}
        case Reasoning(text=text, signature=signature) if signature:
            yield {"type": "thinking", "thinking": text, "signature": signature}
        case _:  # nothing to read, or thinking that Anthropic did not sign
            return


def text_block(part: Text) -> Block:
    """A text."""
    return _cached({"type": "text", "text": part.text}, part.cache)


def cache_mark(cache: Cache) -> dict[str, str]:
    """A breakpoint; five minutes are its own default."""
    return {"type": "ephemeral", "ttl": "1h"} if cache == "1h" else {"type": "ephemeral"}


def _cached(block: Block, cache: Cache) -> Block:
    if cache:
        block["cache_control"] = cache_mark(cache)
    return block


def _image(image: Image) -> Block:
    source = {"type": "url", "url": image.url}
    if not image.url:
        source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return _cached({"type": "image", "source": source}, image.cache)


def _document(document: Document) -> Block:
    block: Block = {"type": "document", "source": _source(document)}
    if document.name:
        block["title"] = document.name
    return _cached(block, document.cache)


def _source(document: Document) -> dict[str, str]:
    """Files are PDFs here; whatever else is text is sent as text."""
    if document.url:
        return {"type": "url", "url": document.url}
    if document.media_type == "application/pdf" and document.data:
        return {"type": "base64", "media_type": "application/pdf", "data": document.data}
    text = _decoded(document) if document.data else document.text
    return {"type": "text", "media_type": "text/plain", "data": text}


def _decoded(document: Document) -> str:
    """Raises `RequestError` for a file that is neither PDF nor text."""
    try:
        return b64decode(document.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise UnsayableError(
            f"the document {document.name!r} ({document.media_type or 'no media type'}) cannot be "
            "sent to this model; send a PDF or a text"
        ) from exc


def _call(call: ToolCall, unique: str) -> Block:
    block = {
        "type": "tool_use",
        "id": unique,
        "name": call.name,
        "input": arguments_object(call.arguments),
    }
    return _cached(block, call.cache)


def _result(result: ToolResult, unique: str) -> Block:
    content = [block for part in result.parts for block in _blocks(part)]
    block: Block = {"type": "tool_result", "tool_use_id": unique}
    if content:
        block["content"] = content
    if result.failed:
        block["is_error"] = True
    return _cached(block, result.cache)


def _unasked(result: ToolResult) -> Iterator[Block]:
    """A result whose call is missing, as the user's own words."""
    yield text_block(Text(UNASKED))
    for part in result.parts:
        yield from _blocks(part)
