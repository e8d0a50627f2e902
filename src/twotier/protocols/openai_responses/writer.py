"""Events written as a Responses stream.

Each part of the answer is an output item with a life of its own: added, filled, done. Text and
thinking are done when something else begins. Calls are done when the answer ends, because pieces of
several calls may come mixed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import (
    Began,
    Ended,
    Event,
    Failed,
    Finish,
    Metered,
    Progress,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
)
from twotier.errors import TwotierError
from twotier.protocols.openai_responses.answer import Answer
from twotier.protocols.openai_responses.events import Events
from twotier.protocols.openai_responses.failure import of_error, of_event
from twotier.protocols.openai_responses.growing import Call, CustomCall, Message, Thinking
from twotier.protocols.sse import encode_comment

_encode = msgspec.json.Encoder().encode


class StreamWriter:
    """Writes one answer. `created` is Unix time in seconds, handed in by the caller.

    After an error there is no `response.completed`.
    """

    def __init__(self, id: str, *, model: str, created: int, request: Request) -> None:  # noqa: A002 - the wire's own word
        self._answer = Answer(id, model=model, created=created, request=request)
        self._events = Events()
        self._items: list[Message | Thinking | Call] = []
        self._calls: dict[int, Call] = {}
        self._growing: Message | Thinking | None = None
        self._finish: Finish = "stop"
        self._usage: Usage | None = None
        self._begun = False

    def write(self, event: Event) -> bytes:
        """The bytes for one event, `b""` if this dialect has nothing to say of it."""
        match event:
            case TextDelta(text=text):
                return self._text(text) if text else b""
            case ToolCallDelta(index=index, arguments=arguments):
                return self._calls[index].more(arguments) if arguments else b""
            case ReasoningDelta():
                return self._thinking(event) if event != _NOTHING else b""
            case ToolCallBegan():
                return self._call(event)
            case Progress(done=done, total=total):
                return encode_comment(f"keepalive {done}/{total}" if total else "keepalive")
            case _:
                return self._course(event)

    def error(self, error: TwotierError) -> bytes:
        """The end of a stream that failed."""
        return self._fail(of_error(error))

    def _course(self, event: Event) -> bytes:
        """The events that are about the answer, not in it."""
        match event:
            case Began():
                return self._begin()
            case Metered(usage=usage):
                self._usage = usage
                return b""
            case Ended(finish=finish):
                return self._end(finish)
            case Failed():
                return self._fail(of_event(event))
            case _:  # Closed: the others never come here
                return self._close()

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        response = msgspec.Raw(_encode(self._answer.begun()))
        names = ("response.created", "response.in_progress")
        return b"".join(self._events.event(name, response=response) for name in names)

    def _text(self, text: str) -> bytes:
        if isinstance(self._growing, Message):
            return self._growing.more(text)
        out = self._begin() + self._grown()
        self._growing = Message(self._answer, self._events, index=len(self._items))
        self._items.append(self._growing)
        return out + self._growing.added() + self._growing.more(text)

    def _thinking(self, delta: ReasoningDelta) -> bytes:
        """More thinking; a seal ends it, and what is hidden stands alone."""
        thinking, out = self._growing, b""
        if not isinstance(thinking, Thinking) or delta.hidden:
            out = self._begin() + self._grown()
            thinking = Thinking(self._answer, self._events, index=len(self._items))
            self._items.append(thinking)
            out += thinking.added()
        self._growing = thinking
        if delta.text:
            out += thinking.more(delta.text)
        if delta.signature or delta.hidden:
            self._growing = None
            out += thinking.done(signature=delta.signature, hidden=delta.hidden)
        return out

    def _call(self, began: ToolCallBegan) -> bytes:
        out = self._begin() + self._grown()
        kind = CustomCall if self._answer.named(began.name).freeform else Call
        call = kind(self._answer, self._events, index=len(self._items), began=began)
        self._calls[began.index] = call
        self._items.append(call)
        return out + call.added()

    def _grown(self) -> bytes:
        """What grew until now is done."""
        item, self._growing = self._growing, None
        return b"" if item is None else item.done()

    def _end(self, finish: Finish) -> bytes:
        """All items are done; where the answer was cut off, the last one says so."""
        self._finish, self._growing = finish, None
        out = self._begin()
        for item in self._items:
            if item.whole is None:
                cut = finish == "length" and item is self._items[-1]
                out += item.done("incomplete" if cut else "completed")
        return out

    def _close(self) -> bytes:
        response = self._answer.ended(self._finish, self._output(), usage=self._usage)
        return self._events.event(f"response.{response['status']}", response=response)

    def _fail(self, error: dict[str, Any]) -> bytes:
        return self._events.failure(error, self._answer.failed(self._output()))

    def _output(self) -> list[dict[str, Any]]:
        return [item.whole for item in self._items if item.whole is not None]


_NOTHING = ReasoningDelta("")
