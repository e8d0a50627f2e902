"""The messages of a body: are they as the server's template wants them, and if not, said anew.

Small things (a role, a field's name, arguments that are no JSON object) are mended where they
stand, with everything else byte for byte as it came. Where the order itself is wrong, the
conversation is read and written again by the rules of `openai_chat.turns`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from twotier.errors import RequestError
from twotier.protocols.normal.manners import Manners
from twotier.protocols.openai_chat.glance import NOTHING, Turn, in_parts
from twotier.protocols.openai_chat.messages import MessageIn, read_message
from twotier.protocols.openai_chat.turns import sound_arguments, write_turns
from twotier.protocols.wire import read_client_json

_NULL = msgspec.Raw(b"null")
_EMPTY = msgspec.Raw(b'""')
_SYSTEM = msgspec.Raw(b'"system"')
_LIST, _NULL_FIRST, _QUOTE = ord("["), ord("n"), ord('"')
THINKING = ("reasoning_content", "reasoning", "thinking")
Fields = dict[str, msgspec.Raw]


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


def faulty(turns: Sequence[Turn], manners: Manners) -> list[int] | None:
    """The numbers of the messages that have to be mended; None where their order is wrong."""
    if manners.turns_strict and not _in_order(turns):
        return None
    return [at for at, turn in enumerate(turns) if _fault(turn, manners)]


def mended(
    messages: msgspec.Raw, turns: Sequence[Turn], *, places: Iterable[int], manners: Manners
) -> msgspec.Raw:
    """The messages with those of these numbers mended; the others byte for byte. `turns` are the
    same messages, looked at.
    """
    read = _RAWS.decode(messages)
    for at in places:
        read[at] = msgspec.Raw(
            _encode(_mended(_FIELDS.decode(read[at]), turns[at], manners=manners))
        )
    return msgspec.Raw(_encode(read))


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


def _in_order(turns: Sequence[Turn]) -> bool:
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


def _fault(turn: Turn, manners: Manners) -> bool:
    """Whether something small is wrong with this message."""
    if manners.texts_joined and _loose(turn):
        return True
    if turn.role == "assistant":
        return _misplaced(turn, manners) or _unsound(turn, manners)
    return manners.turns_strict and turn.role == "developer"


def _misplaced(turn: Turn, manners: Manners) -> bool:
    """Thinking in a field that this server does not look at."""
    field = manners.thinking  # a field that is not there has the default itself
    return bool(field) and (
        (turn.reasoning is not NOTHING and field != "reasoning")
        or (turn.reasoning_content is not NOTHING and field != "reasoning_content")
        or (turn.thinking is not NOTHING and field != "thinking")
    )


def _unsound(turn: Turn, manners: Manners) -> bool:
    """Arguments that are not the text of a JSON object."""
    if not (manners.turns_strict and turn.tool_calls):
        return False
    for call in turn.tool_calls:
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


def _loose(turn: Turn) -> bool:
    """A content that is a list of texts, or none at all where there is no call to stand for it."""
    if in_parts(turn):
        return _joined(turn.content) is not None
    nothing = turn.content is NOTHING or memoryview(turn.content)[0] == _NULL_FIRST
    return nothing and not turn.tool_calls


def _joined(content: msgspec.Raw) -> str | None:
    """The texts of a content as one; None where there is more than text in it. What clients send
    apart stands apart: servers that join the texts themselves glue them together.
    """
    parts = read_client_json(_PARTS, bytes(content))
    if not all(part.keys() <= {"type", "text"} and "text" in part for part in parts):
        return None
    return "\n\n".join(_TEXT.decode(part["text"]) for part in parts)


def _mended(message: Fields, turn: Turn, *, manners: Manners) -> Fields:
    """The message without its faults."""
    if manners.turns_strict and turn.role == "developer":
        message["role"] = _SYSTEM
    if manners.texts_joined and _loose(turn):
        text = _joined(turn.content) if in_parts(turn) else None
        message["content"] = _EMPTY if text is None else msgspec.Raw(_encode(text))
    if turn.role != "assistant":
        return message
    if _misplaced(turn, manners):
        message = _placed(message, manners.thinking)
    if _unsound(turn, manners):
        said = [_sound_call(call) for call in _CALLS.decode(message["tool_calls"])]
        message["tool_calls"] = msgspec.Raw(_encode(said))
    return message


def _placed(message: Fields, field: str) -> Fields:
    """All thinking under the one name; what stands there already goes first."""
    given = [message[name] for name in (field, *THINKING) if name in message]
    found = [text for text in dict.fromkeys(map(bytes, given)) if text not in (b"null", b'""')]
    rest = {name: value for name, value in message.items() if name not in THINKING}
    if found:
        rest[field] = msgspec.Raw(found[0] if len(found) == 1 else _together(found))
    return rest


def _together(texts: Iterable[bytes]) -> bytes:
    return _encode("\n\n".join(read_client_json(_TEXT, text) for text in texts))


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
