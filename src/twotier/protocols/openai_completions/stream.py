"""Text completions that are streamed: read, relayed, and written where one ends in an error.

As in chat, success is two things, both seen: a `finish_reason` and `[DONE]`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    Progress,
    Request,
    TextDelta,
    Usage,
)
from twotier.errors import StreamBrokenError, TwotierError
from twotier.protocols.openai_completions.answer import (
    COMPLETION,
    FINISH_READ,
    FINISH_WRITTEN,
    Choice,
    Completion,
    choice,
)
from twotier.protocols.openai_relay import ChunkRelay
from twotier.protocols.openai_wire import (
    DONE,
    error_object,
    progress,
    usage_object,
    write_error,
)
from twotier.protocols.sse import Decoder, SseEvent, encode, encode_comment
from twotier.protocols.wire import Rename, read_upstream_json

_encode = msgspec.json.Encoder().encode


class StreamReader:
    """Chunks in, events out. `end()` tells whether the answer was whole."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._began = False
        self._ended = False
        self._over = False  # closed or failed: nothing counts any more
        self._closed = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises `StreamBrokenError` for what is no chunk."""
        return [event for sse in self._decoder.feed(chunk) for event in self.read(sse)]

    def read(self, sse: SseEvent) -> list[Event]:
        """The events of one server-sent event."""
        if self._over:
            return []
        if sse.comment is not None:
            return [progress(sse.comment)]
        if sse.data == DONE:
            self._over = self._closed = self._ended
            return [Closed()] if self._closed else []
        events = self._chunk(read_upstream_json(COMPLETION, sse.data, what="a chunk"))
        self._over = bool(events) and isinstance(events[-1], Failed)
        return events

    def glance(self, sse: SseEvent) -> str:  # noqa: ARG002 - the seam's
        """Nothing is seen at a glance here: few ask for text completions."""
        return ""

    def end(self) -> None:
        """The stream is over. Raises `StreamBrokenError` unless the answer is whole."""
        if not self._closed:
            missing = "[DONE]" if self._ended else "finish_reason and [DONE]"
            raise StreamBrokenError(
                f"the upstream's stream ended without {missing}: its answer is incomplete; "
                "ask again, and see the log of its server if this repeats"
            )

    def _chunk(self, chunk: Completion) -> list[Event]:
        failure = chunk.failure()
        if failure is not None:
            return [failure]
        events: list[Event] = []
        if not self._began and (chunk.id or chunk.model):
            self._began = True
            events.append(Began(chunk.id or "", chunk.model or ""))
        for one in chunk.choices or ():
            events += self._choice(one)
        if (usage := chunk.metered()) is not None:
            events.append(Metered(usage, final=self._ended))
        return events

    def _choice(self, one: Choice) -> list[Event]:
        events: list[Event] = [TextDelta(one.text)] if one.text else []
        if one.finish_reason and not self._ended:
            self._ended = True
            finish = FINISH_READ.get(one.finish_reason, "stop")
            events.append(Ended(finish, one.stop_sequence))
        return events


class StreamRelay(ChunkRelay):
    """A stream passed through."""

    def __init__(self, request: Request, *, rename: Rename | None = None) -> None:
        super().__init__(request, StreamReader(), rename=rename)


class StreamWriter:
    """Writes one answer. `created` is Unix time in seconds; there is no `[DONE]` after an error."""

    def __init__(self, id: str, *, model: str, created: int, request: Request) -> None:  # noqa: A002 - the wire's own word
        self._head = {"id": id, "object": "text_completion", "created": created, "model": model}
        self._include_usage = request.include_usage
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:  # noqa: PLR0911 - one return for each kind of event
        """The bytes for one event, `b""` if this dialect has nothing to say of it."""
        match event:
            case TextDelta(text=text) if text:
                return self._chunk([choice(text, None)])
            case Metered(usage=usage):
                self._usage = usage
                return b""
            case Ended(finish=finish, stop_sequence=sequence):
                return self._chunk(
                    [choice("", FINISH_WRITTEN.get(finish, "stop"), stop_sequence=sequence)]
                )
            case Progress():
                return encode_comment("keepalive")
            case Failed(message=message, kind=kind, status=status):
                return encode(_encode(error_object(message, kind=kind, code=str(status))))
            case Closed():
                return self._closing()
            case _:
                return b""

    def error(self, error: TwotierError) -> bytes:
        """The end of a stream that failed: an error object, which SDKs raise."""
        return encode(write_error(error))

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return encode(_encode({**self._head, "choices": choices, **more}))

    def _closing(self) -> bytes:
        done = encode(DONE)
        if self._include_usage and self._usage is not None:
            return self._chunk([], usage=usage_object(self._usage)) + done
        return done
