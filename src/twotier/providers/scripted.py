"""A provider that answers from a list: for tests of everything above it, and for trying rules."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twotier.domain.message import (
    Began,
    Closed,
    Dialect,
    Ended,
    Event,
    Metered,
    Request,
    Whole,
)
from twotier.errors import TierUnavailableError, TwotierError
from twotier.protocols.assemble import events_of
from twotier.protocols.openai_chat import StreamWriter, write_whole
from twotier.providers.base import Ask, Reply


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes, chunk by chunk; then `breaks`, if the answer is to end in an error."""

    chunks: tuple[bytes, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    breaks: TwotierError | None = None


Line = Answer | Whole | TwotierError


class Scripted:
    """`base.Provider` with one line of the script for each ask.

    A `Whole` is written as Chat Completions, streamed or not as asked; an `Answer` is given as it
    is; an error is raised by `ask`. Every ask is kept in `asks`. Past the end of the script it is
    unavailable.
    """

    def __init__(self, script: Iterable[Line] = (), *, dialect: Dialect = "openai_chat") -> None:
        self._script = deque(script)
        self._dialect = dialect
        self.asks: list[Ask] = []

    @property
    def dialect(self) -> Dialect:
        """The dialect that the script is written in."""
        return self._dialect

    def say(self, line: Line) -> None:
        """Append to the script."""
        self._script.append(line)

    async def ask(self, ask: Ask) -> Reply:
        """The next line."""
        self.asks.append(ask)
        if not self._script:
            raise TierUnavailableError("the script is over; add a line for this ask")
        line = self._script.popleft()
        if isinstance(line, TwotierError):
            raise line
        return _ScriptedReply(spoken(line, stream=ask.stream) if isinstance(line, Whole) else line)


class _ScriptedReply:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._left = deque(answer.chunks)
        self.closed = False

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The response headers."""
        return self._answer.headers

    async def read(self) -> bytes:
        """The next piece of the body."""
        if self.closed:
            return b""
        if self._left:
            return self._left.popleft()
        if self._answer.breaks is not None:
            raise self._answer.breaks
        return b""

    async def close(self) -> None:
        """End it."""
        self.closed = True


ASKED = Request("openai_chat", b"{}", "scripted", include_usage=True)


def spoken(whole: Whole, *, stream: bool) -> Answer:
    """A whole answer as the bytes of a Chat Completions server."""
    if not stream:
        return Answer(
            (write_whole(whole, created=0, request=ASKED),), {"content-type": "application/json"}
        )
    writer = StreamWriter(whole.id, model=whole.model, created=0, request=ASKED)
    chunks = tuple(piece for event in events(whole) if (piece := writer.write(event)))
    return Answer(chunks, {"content-type": "text/event-stream"})


def events(whole: Whole) -> Iterable[Event]:
    """A whole answer as the events of a stream: the reverse of `protocols.assemble`."""
    yield Began(whole.id, whole.model)
    yield from events_of(whole.parts)
    yield Ended(whole.finish)
    if whole.usage is not None:
        yield Metered(whole.usage, final=True)
    yield Closed()
