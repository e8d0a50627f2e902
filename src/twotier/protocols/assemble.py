"""Events folded into a whole answer, for clients that want no stream where we took one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Finish,
    Metered,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
    Whole,
)
from twotier.errors import StreamBrokenError, UpstreamError


def events_of(parts: Sequence[Text | Reasoning | ToolCall]) -> Iterator[Event]:
    """The reverse: the parts of a whole answer as events."""
    calls = 0
    for part in parts:
        if isinstance(part, Text):
            yield TextDelta(part.text)
        elif isinstance(part, Reasoning):
            yield ReasoningDelta(part.text, part.signature, part.hidden)
        else:
            yield ToolCallBegan(calls, part.id, part.name)
            yield ToolCallDelta(calls, part.arguments)
            calls += 1


class Assembly:
    """Fold every event, then ask for the `whole`. Parts keep the order in which they began."""

    def __init__(self) -> None:
        self._id = ""
        self._model = ""
        self._parts: list[_Growing] = []
        self._calls: dict[int, _Growing] = {}
        self._finish: Finish | None = None
        self._stop_sequence = ""
        self._usage: Usage | None = None
        self._failed: Failed | None = None
        self._closed = False

    def fold(self, event: Event) -> None:
        """Take one event into account."""
        match event:
            case TextDelta(text=text):
                self._growing("text").pieces.append(text)
            case ReasoningDelta():
                self._think(event)
            case ToolCallBegan(index=index, id=id_, name=name):
                self._calls[index] = _Growing("call", id_=id_, name=name)
                self._parts.append(self._calls[index])
            case ToolCallDelta(index=index, arguments=arguments):
                self._calls[index].pieces.append(arguments)
            case Began(id=id_, model=model):
                self._id, self._model = id_, model
            case Metered(usage=usage):
                self._usage = usage
            case Ended(finish=finish, stop_sequence=stop_sequence):
                self._finish, self._stop_sequence = finish, stop_sequence
            case Failed():
                self._failed = event
            case Closed():
                self._closed = True
            case _:  # Progress says nothing of the answer
                pass

    def whole(self) -> Whole:
        """The answer. `UpstreamError` if it failed, `StreamBrokenError` if it is not whole."""
        if self._failed is not None:
            raise UpstreamError(
                self._failed.message,
                upstream_status=self._failed.status,
                upstream_kind=self._failed.kind,
                started=True,
            )
        if not self._closed or self._finish is None:
            raise StreamBrokenError("the upstream's answer is incomplete; ask again")
        parts = tuple(part.done() for part in self._parts)
        return Whole(self._id, self._model, parts, self._finish, self._usage, self._stop_sequence)

    def _think(self, delta: ReasoningDelta) -> None:
        if delta.hidden:
            self._parts.append(_Growing("reasoning", hidden=delta.hidden))
            return
        part = self._growing("reasoning")
        part.pieces.append(delta.text)
        part.signature += delta.signature

    def _growing(self, kind: str) -> _Growing:
        """The last part if it is of this kind, else a new one; sealed thinking is finished."""
        last = self._parts[-1] if self._parts else None
        if last is None or last.kind != kind or last.signature or last.hidden:
            last = _Growing(kind)
            self._parts.append(last)
        return last


class _Growing:
    """A part whose end has not come yet."""

    def __init__(self, kind: str, *, id_: str = "", name: str = "", hidden: str = "") -> None:
        self.kind = kind
        self.hidden = hidden
        self.id = id_
        self.name = name
        self.signature = ""
        self.pieces: list[str] = []

    def done(self) -> Text | Reasoning | ToolCall:
        """The part as it is now."""
        text = "".join(self.pieces)
        if self.kind == "call":
            return ToolCall(self.id, self.name, text)
        if self.kind == "text":
            return Text(text)
        return Reasoning(text, self.signature, self.hidden)
