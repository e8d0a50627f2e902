"""An answer held to an order that its model was only told in words.

Nothing of such an answer passes before it is decided whether it keeps the order: until then another
tier can still give a better one. So a call that had to come lets the rest through when it comes,
and JSON is read when it is whole. An answer that was cut by its limit passes as it is, with
`length` for its finish, as servers with a grammar have it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from twotier.domain.message import (
    Ended,
    Event,
    Failed,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    Whole,
)
from twotier.errors import NOT_READABLE, UNFIT_KIND
from twotier.protocols.json_schema import problems
from twotier.protocols.toolcalls.lenient import strict
from twotier.protocols.wire import Order

_FENCED = re.compile(r"\A```[\w-]*+\s*+(.*)```\Z", re.DOTALL)
_HELD = TextDelta | ReasoningDelta


class Reader(Protocol):
    """What reads an answer of the upstream."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that the chunk completes."""
        ...

    def end(self) -> None:
        """The end of the bytes."""
        ...


class Checked:
    """A reader whose events keep the order, or end in a failure."""

    def __init__(self, reader: Reader, order: Order) -> None:
        self._reader = reader
        self._order = order
        self._held: list[Event] = []
        self._holds = order.must_call or order.schema is not None
        self._calls = 0
        self._failed = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that may pass."""
        return [event for given in self._reader.feed(chunk) for event in self._passed(given)]

    def end(self) -> None:
        """As the reader's own."""
        self._reader.end()

    def _passed(self, event: Event) -> Iterator[Event]:
        if self._failed:
            return
        match event:
            case ToolCallBegan(name=name):
                yield from self._began(event, name)
            case ToolCallDelta(index=index) if self._order.single and index:
                return
            case Ended():
                yield from self._ended(event)
            case _ if self._holds and isinstance(event, _HELD):
                self._held.append(event)
            case _:
                yield event

    def _began(self, event: ToolCallBegan, name: str) -> Iterator[Event]:
        """A call: it decides, because an answer with a call has no form but its own."""
        if self._order.name and name != self._order.name:
            yield self._unfit(f"it called {name}, and had to call {self._order.name}")
            return
        self._calls += 1
        if self._order.single and event.index:
            return
        yield from self._let_go()
        yield event

    def _ended(self, event: Ended) -> Iterator[Event]:
        """The end of the answer: it kept the order, or it fails."""
        if self._order.must_call and not self._calls and event.finish != "length":
            yield self._unfit("it called no tool, and had to")
            return
        if self._holds and self._order.schema is not None and event.finish == "stop":
            yield from self._read_as_json()
        else:
            yield from self._let_go()
        if not self._failed:
            yield event

    def _read_as_json(self) -> Iterator[Event]:
        """The text, if it is the JSON that was ordered, without what stood around it."""
        text = "".join(event.text for event in self._held if isinstance(event, TextDelta))
        found = json_in(text)
        if because := _wrong(found, self._order.schema or {}):
            yield self._unfit(because)
            return
        yield from (event for event in self._held if isinstance(event, ReasoningDelta))
        yield TextDelta(found or "")
        self._held, self._holds = [], False

    def _let_go(self) -> Sequence[Event]:
        held, self._held, self._holds = self._held, [], False
        return held

    def _unfit(self, because: str) -> Failed:
        self._failed = True
        return _failed(because)


def unfit(whole: Whole, order: Order) -> Failed | None:
    """Why an answer that came in one piece does not keep its order; None where it does."""
    called = [part.name for part in whole.parts if isinstance(part, ToolCall)]
    if order.must_call and not called and whole.finish != "length":
        return _failed("it called no tool, and had to")
    if order.name and set(called) - {order.name}:
        return _failed(f"it called another tool, and had to call {order.name}")
    if called or order.schema is None or whole.finish != "stop":
        return None
    found = json_in("".join(part.text for part in whole.parts if isinstance(part, Text)))
    because = _wrong(found, order.schema)
    return _failed(because) if because else None


def _failed(because: str) -> Failed:
    said = f"the model did not keep to the request ({because}); ask again, or another tier"
    return Failed(said, UNFIT_KIND, 502)


def _wrong(found: str | None, schema: Mapping[str, Any]) -> str:
    """What is wrong with the JSON of an answer, empty where nothing is."""
    if found is None:
        return "it is not JSON, and had to be"
    wrong = problems(json.loads(found), schema or {"type": "object"})
    return f"its JSON does not fit the schema: {'; '.join(wrong)}" if wrong else ""


def json_in(text: str) -> str | None:
    """The JSON in a text that is nothing else: alone, in a code fence, or one object with words
    around it. None where there is none.
    """
    bare = text.strip()
    fenced = _FENCED.match(bare)
    candidates = [bare, fenced[1].strip() if fenced else "", bare[bare.find("{") : _last(bare)]]
    return next((found for found in candidates if _is_json(found)), None)


def _last(text: str) -> int:
    return text.rfind("}") + 1


def _is_json(text: str) -> bool:
    try:
        strict(text)
    except NOT_READABLE:
        return False
    return True
