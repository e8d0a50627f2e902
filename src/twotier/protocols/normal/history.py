"""The messages of a body: are they as the server's template wants them, and if not, said anew.

Small things (a role, a field's name, arguments that are no JSON object) are mended where they
stand, with everything else byte for byte as it came. Where the order itself is wrong, the
conversation is read and written again by the rules of `openai_chat.turns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter

import msgspec

from twotier.errors import RequestError
from twotier.protocols.normal.manners import Manners
from twotier.protocols.openai_chat.glance import NOTHING, Call, Turn
from twotier.protocols.openai_chat.messages import MessageIn, read_message
from twotier.protocols.openai_chat.turns import sound_arguments, write_turns
from twotier.protocols.wire import read_client_json

_NULL = msgspec.Raw(b"null")
_EMPTY = msgspec.Raw(b'""')
_SYSTEM = msgspec.Raw(b'"system"')
_LIST, _NULL_FIRST, _QUOTE = ord("["), ord("n"), ord('"')
Fields = dict[str, msgspec.Raw]
Mending = Callable[[Fields], None]  # changes a message where it stands
Faults = Mapping[int, Sequence[Mending]]


_MESSAGES = msgspec.json.Decoder(list[Fields])
_READ: msgspec.json.Decoder[list[MessageIn]] = msgspec.json.Decoder(list[MessageIn])
_CALLS = msgspec.json.Decoder(list[Fields])
_RAWS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS = msgspec.json.Decoder(Fields)
_PARTS = msgspec.json.Decoder(list[Fields])
_TEXT = msgspec.json.Decoder(str)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode
# What `MessageIn` reads; the rest of a message is lost where the order is mended, and named.
_KNOWN = frozenset(MessageIn.__struct_fields__) - {"name", "cache_control"}


_THINKING = ("reasoning_content", "reasoning", "thinking")
# By the field of thinking that a server looks at: what a message has in the two others.
_NO_STRAYS = (NOTHING, NOTHING)
_STRAYS: Mapping[str, Callable[[Turn], Sequence[object]]] = {
    own: attrgetter(*(name for name in _THINKING if name != own)) for own in _THINKING
}


def in_order(turns: Sequence[Turn]) -> bool:
    """Whether roles, calls and results stand where templates expect them."""
    waiting: list[str] = []  # some servers give the same id twice
    for at, turn in enumerate(turns):
        if turn.role == "tool":
            if turn.tool_call_id not in waiting:
                return False
            waiting.remove(turn.tool_call_id)
            continue
        if waiting or (at and turn.role in ("system", "developer")):
            return False
        for call in turn.tool_calls or ():
            if not call.id or call.function is None:
                return False
            waiting.append(call.id)
    return not waiting


def faults(turns: Sequence[Turn], manners: Manners) -> Faults:
    """What is to be mended in the single messages, by their numbers."""
    found = {}
    strays = _STRAYS.get(manners.thinking)
    for at, turn in enumerate(turns):  # of every request: first what nearly all of them are
        content, calls = turn.content, turn.tool_calls
        first = _NULL_FIRST if content is NOTHING else memoryview(content)[0]
        stray = False
        if turn.role == "assistant":
            stray = strays is not None and strays(turn) != _NO_STRAYS
            fits = not stray and (first == _QUOTE or (calls and first == _NULL_FIRST))
            if fits and not (calls and _unsound(calls)):
                continue
        elif first == _QUOTE and turn.role != "developer":
            continue
        if mendings := _mendings(turn, manners, first=first, stray=stray):
            found[at] = mendings
    return found


def mended(messages: msgspec.Raw, found: Faults) -> msgspec.Raw:
    """The messages without these faults; those that have none byte for byte."""
    read = _RAWS.decode(messages)
    said: list[msgspec.Raw | Fields] = [*read]
    for at, mendings in found.items():
        said[at] = message = _FIELDS.decode(read[at])
        for mend in mendings:
            mend(message)
    return msgspec.Raw(_encode(said))


def retold(messages: msgspec.Raw) -> tuple[msgspec.Raw, tuple[str, ...]]:
    """The messages in an order that every template can follow, and what was lost by name.

    Raises `RequestError` for what cannot be said at all.
    """
    body = bytes(messages)
    given = read_client_json(_READ, body)
    read = [read_message(message, at) for at, message in enumerate(given)]
    named = {name for message in _MESSAGES.decode(body) for name in message.keys() - _KNOWN}
    lost = tuple(f"messages[].{name}" for name in sorted(named))
    said = list(write_turns(read))
    if not said:
        raise RequestError("messages: say nothing; send at least one with a text")
    return msgspec.Raw(_encode(said)), lost


def told_at_the_end(messages: msgspec.Raw, text: str) -> msgspec.Raw:
    """The messages, and a wish behind them: with the last words of the user, where the prefix that
    a server has cached is not touched; with the system's where the last words are not the user's.
    """
    read = _MESSAGES.decode(bytes(messages))
    last = read[-1]
    if _is(last, "user"):
        read[-1] = {**last, "content": _longer(last.get("content", _NULL), text)}
    elif _is(read[0], "system"):
        read[0] = {**read[0], "content": _longer(read[0].get("content", _NULL), text)}
    else:
        said = {"role": "system", "content": text}
        read.insert(0, {name: msgspec.Raw(_encode(value)) for name, value in said.items()})
    return msgspec.Raw(_encode(read))


def _mendings(turn: Turn, manners: Manners, *, first: int, stray: bool) -> Sequence[Mending]:
    """What is to be done to this message, whose content begins with the byte `first`. `stray`: it
    has thinking where the server does not look for it.
    """
    found: list[Mending] = []
    if manners.texts_joined and (content := _one_text(turn, first=first)) is not None:
        found.append(partial(_set_content, content))
    if turn.role == "assistant":
        if stray:
            found.append(_PLACING[manners.thinking])
        if manners.turns_strict and turn.tool_calls and _unsound(turn.tool_calls):
            found.append(_sound_calls)
    elif manners.turns_strict and turn.role == "developer":
        found.append(_make_system)
    return found


def _unsound(calls: Iterable[Call]) -> bool:
    """Arguments that are not the text of a JSON object."""
    for call in calls:
        if call.function is not None and not _is_object(call.function.arguments):
            return True
    return False


def _is_object(arguments: object) -> bool:
    """Whether they are the text of a JSON object."""
    if not isinstance(arguments, str):
        return False
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _one_text(turn: Turn, *, first: int) -> msgspec.Raw | None:
    """The text to put in place of a content: of a list of texts, or of none at all where there is
    no call to stand for it. None where the content can stay.
    """
    if first == _LIST:
        text = _joined(turn.content)
        return None if text is None else msgspec.Raw(_encode(text))
    return _EMPTY if first == _NULL_FIRST and not turn.tool_calls else None


def _joined(content: msgspec.Raw) -> str | None:
    """The texts of a content as one; None where there is more than text in it. What clients send
    apart stands apart: servers that join the texts themselves glue them together.
    """
    parts = read_client_json(_PARTS, bytes(content))
    if not all(part.keys() <= {"type", "text"} and "text" in part for part in parts):
        return None
    return "\n\n".join(_TEXT.decode(part["text"]) for part in parts)


def _make_system(message: Fields) -> None:
    message["role"] = _SYSTEM


def _set_content(content: msgspec.Raw, message: Fields) -> None:
    message["content"] = content


def _place_thinking(names: Sequence[str], message: Fields) -> None:
    """All thinking under the first of the names; what stands there already goes first."""
    given = [message.pop(name) for name in names if name in message]
    found = [text for text in given if text not in (_NULL, _EMPTY)]
    if found:
        message[names[0]] = found[0] if len(found) == 1 else _together(found)


def _sound_calls(message: Fields) -> None:
    said = [_sound_call(call) for call in _CALLS.decode(message["tool_calls"])]
    message["tool_calls"] = msgspec.Raw(_encode(said))


def _together(texts: Iterable[msgspec.Raw]) -> msgspec.Raw:
    """Each of them once."""
    read = (read_client_json(_TEXT, text) for text in dict.fromkeys(map(bytes, texts)))
    return msgspec.Raw(_encode("\n\n".join(read)))


def _sound_call(call: Fields) -> Fields:
    if call.get("function", _NULL) == _NULL:
        return call
    function = _FIELDS.decode(call["function"])
    given = function.get("arguments", _EMPTY)
    try:
        text = _TEXT.decode(given)
    except msgspec.ValidationError:  # an object in place of its text
        text = "" if given == _NULL else bytes(given).decode()
    if _is_object(text) and memoryview(given)[0] == _QUOTE:
        return call
    function["arguments"] = msgspec.Raw(_encode(sound_arguments(text)))
    return {**call, "function": msgspec.Raw(_encode(function))}


def _is(message: Fields, role: str) -> bool:
    return _TEXT.decode(message["role"]) == role


def _longer(content: msgspec.Raw, text: str) -> msgspec.Raw:
    """A content with more text behind it."""
    if content in (_NULL, _EMPTY):
        return msgspec.Raw(_encode(text))
    if memoryview(content)[0] == _LIST:
        parts: list[object] = [*_PARTS.decode(content), {"type": "text", "text": text}]
        return msgspec.Raw(_encode(parts))
    return msgspec.Raw(_encode(f"{_TEXT.decode(content)}\n\n{text}"))


_PLACING: Mapping[str, Mending] = {
    own: partial(_place_thinking, (own, *(name for name in _THINKING if name != own)))
    for own in _THINKING
}
