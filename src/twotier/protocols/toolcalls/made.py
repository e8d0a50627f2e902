"""The calls that a local server made itself, held to the schema the client wrote.

Servers bend calls on the way from the model's words: `null` where a text was meant, a number where
a choice of several types was open, JSON cut in its middle; and what they were shown of the schema
is a plainer one. So calls are held until the message is whole, and what does not fit is coerced
where its type alone is wrong. A call that fits passes as it came, letter for letter. One that never
will makes the turn fail, before anybody has run any of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twotier.domain.message import Ended, Event, Failed, Metered, ToolCallBegan, ToolCallDelta
from twotier.errors import NOT_READABLE, UNFIT_KIND
from twotier.protocols.json_schema import TOO_DEEP
from twotier.protocols.toolcalls.base import Kind
from twotier.protocols.toolcalls.coerce import Coercion
from twotier.protocols.toolcalls.lenient import BrokenJsonError, read_value, strict

# Their values are text, and whether one is null is a guess of whoever parses it.
TEXTUAL = frozenset({"minimax_m2", "minimax_m3", "qwen3_coder", "glm"})
CHARS_MAX = 1_000_000  # of all arguments of a message


class _UnfitError(Exception):
    """A call that cannot be made to fit, and why."""


@dataclass(slots=True)
class _Held:
    began: ToolCallBegan
    pieces: list[str] = field(default_factory=list)


class Made:
    """Takes the events behind the first call. `kinds` are told what was put right, and what not.

    `changed` says whether anything came out otherwise than it came in.
    """

    def __init__(
        self, tool: Callable[[str], Mapping[str, Any] | None], kinds: list[Kind], *, family: str
    ) -> None:
        self.changed = False
        self._tool = tool
        self._kinds = kinds
        self._textual = family in TEXTUAL
        self._held: dict[int, _Held] = {}
        self._chars = 0
        self._failed = False

    def take(self, event: Event, out: list[Event]) -> None:
        """Put into `out` what may pass now."""
        match event:
            case Metered():
                out.append(event)
            case _ if self._failed:
                return
            case ToolCallBegan(index=index):
                self._held[index] = _Held(event)
            case ToolCallDelta(index=index, arguments=arguments):
                self._grow(index, arguments, out=out)
            case Ended():
                self._end(event, out)
            case Failed():
                self._held.clear()
                out.append(event)
            case _:
                out.append(event)

    def _grow(self, index: int, arguments: str, *, out: list[Event]) -> None:
        self._chars += len(arguments)
        if self._chars > CHARS_MAX:
            self._fail("its arguments are too long", out)
        else:
            self._held[index].pieces.append(arguments)

    def _end(self, event: Ended, out: list[Event]) -> None:
        """Everything is there. What the limit of tokens cut is nobody's to judge: no client runs
        it.
        """
        whole: list[Event] = []
        try:
            for index, held in self._held.items():
                text = "".join(held.pieces)
                if event.finish not in ("length", "refusal"):
                    text = self._fitted(held.began.name, text)
                whole += [held.began, ToolCallDelta(index, text)] if text else [held.began]
        except _UnfitError as exc:
            self._fail(str(exc), out)
            return
        out += [*whole, event]

    def _fitted(self, name: str, text: str) -> str:
        """The arguments of a call; of a tool nobody offered, the client will know what to do."""
        schema = self._tool(name)
        if schema is None:
            return text
        given, kinds = _read(name, text)
        coercion = Coercion(schema)  # one allowance of steps for all that is asked of it
        wrong = coercion.check.problems(given, schema)
        if TOO_DEEP in wrong and not kinds:
            return text  # whoever runs it will have to check it
        if wrong:
            given = coercion.unguessed(given) if self._textual else given
            given = coercion.arguments(given, plain=False)
            kinds = [*kinds, Kind.TYPES]
            if coercion.check.problems(given, schema):
                raise _UnfitError(f"its call of {name} does not fit: {'; '.join(wrong)}")
        if not kinds:
            return text
        self.changed = True
        self._kinds += [Kind.BENT, *kinds]
        return json_text(given)

    def _fail(self, because: str, out: list[Event]) -> None:
        self.changed = self._failed = True
        self._held.clear()
        self._kinds.append(Kind.MISFIT)
        said = f"the model did not keep to the tools ({because}); ask again, or another tier"
        out.append(Failed(said, UNFIT_KIND, 502))


def json_text(arguments: Mapping[str, Any]) -> str:
    """As JSON text, compact; half a surrogate pair stays an escape, because no UTF-8 has it."""
    text = json.dumps(arguments, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(arguments)
    return text


def _read(name: str, text: str) -> tuple[dict[str, Any], list[Kind]]:
    """The arguments, and what was wrong with their form."""
    if not text or text.isspace():
        return {}, []
    value, strict = _value(text)
    if not isinstance(value, dict):
        raise _UnfitError(f"the arguments of its call of {name} are no JSON object")
    return value, [] if strict else [Kind.JSON]


def _value(text: str) -> tuple[Any, bool]:
    """What a text says as JSON, or nearly so, and whether it was JSON; None where it says nothing.

    Real JSON may be nested as deeply as it likes: what it has to fit decides.
    """
    try:
        return strict(text), True
    except NOT_READABLE:
        pass
    try:
        value, end, _, closed = read_value(text, len(text) - len(text.lstrip()))
    except BrokenJsonError:
        return None, False
    return (value if closed and not text[end:].strip() else None), False
