"""Wire formats on one side, the nouns of `domain` on the other. Pure: bytes in, bytes out.

A dialect can be spoken at two ends. `Inbound` is what a client's end needs (read its request, write
its answer), `Outbound` what an upstream's end needs (write the request, read the answer). Dispatch
picks both by name and knows no dialect itself: the same name on both ends is a relay, two names go
through `Conversation` and `Event`s. A new dialect is a new module here and a line in a table below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from twotier.domain.message import Conversation, Dialect, Event, Observed, Request, Whole
from twotier.errors import TwotierError, UpstreamError
from twotier.protocols import anthropic_messages, openai_chat
from twotier.protocols.wire import Outgoing


class StreamReader(Protocol):
    """Reads one streamed answer of an upstream."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that the chunk completes; raises `StreamBrokenError` for what is none."""
        ...

    def end(self) -> None:
        """Call it at the end of the bytes: `StreamBrokenError` unless the answer is whole."""
        ...


class StreamRelay(Protocol):
    """Passes one streamed answer on to a client of the same dialect, and observes it."""

    def feed(self, chunk: bytes) -> tuple[bytes, list[Event]]:
        """The bytes for the client, and the events in them."""
        ...

    def end(self) -> None:
        """As `StreamReader.end`."""
        ...


class StreamWriter(Protocol):
    """Writes one streamed answer to a client."""

    def write(self, event: Event) -> bytes:
        """The bytes for one event, `b""` if there is nothing to say."""
        ...

    def error(self, error: TwotierError) -> bytes:
        """The bytes that end a stream which failed; never a terminator of success."""
        ...


class WriteRequest(Protocol):
    """Writes a conversation as a body of the upstream's dialect."""

    def __call__(
        self, conversation: Conversation, *, model: str, max_output_tokens: int, stream: bool
    ) -> Outgoing:
        """The body, and what it cannot say."""
        ...


class Rewrite(Protocol):
    """Makes a client's body ready for an upstream of the same dialect."""

    def __call__(
        self,
        request: Request,
        *,
        model: str,
        max_output_tokens: int,
        stream: bool,
        keep: frozenset[str] | None = None,
    ) -> Outgoing:
        """The body, every field that is not named here byte for byte as it came."""
        ...


class OpenWriter(Protocol):
    """Opens a `StreamWriter`; `created` is Unix time in seconds."""

    def __call__(self, id: str, *, model: str, created: int, include_usage: bool) -> StreamWriter:  # noqa: A002 - the wire's own word
        """A writer for one answer."""
        ...


class OpenRelay(Protocol):
    """Opens a `StreamRelay`; `include_usage` as the client asked."""

    def __call__(self, *, include_usage: bool) -> StreamRelay:
        """A relay for one answer."""
        ...


class WriteWhole(Protocol):
    """Writes an answer in one piece; `created` is Unix time in seconds."""

    def __call__(self, whole: Whole, *, created: int) -> bytes:
        """The body."""
        ...


class ReadError(Protocol):
    """Reads a reply without a 2xx status; header names are in lower case."""

    def __call__(self, status: int, body: bytes, *, headers: Mapping[str, str]) -> UpstreamError:
        """The error, never raised here."""
        ...


@dataclass(frozen=True, slots=True)
class Inbound:
    """A dialect as clients speak it to us."""

    read_request: Callable[[bytes], Request]
    rewrite: Rewrite
    read_conversation: Callable[[bytes], Conversation]
    stream_relay: OpenRelay
    stream_writer: OpenWriter
    write_whole: WriteWhole
    write_error: Callable[[TwotierError], bytes]


@dataclass(frozen=True, slots=True)
class Outbound:
    """A dialect as we speak it to upstreams."""

    write_request: WriteRequest
    stream_reader: Callable[[], StreamReader]
    read_whole: Callable[[bytes], Whole]
    observe_whole: Callable[[bytes], Observed]
    read_error: ReadError


INBOUND: Mapping[Dialect, Inbound] = {
    "openai_chat": Inbound(
        read_request=openai_chat.read_request,
        rewrite=openai_chat.rewrite,
        read_conversation=openai_chat.read_conversation,
        stream_relay=openai_chat.StreamRelay,
        stream_writer=openai_chat.StreamWriter,
        write_whole=openai_chat.write_whole,
        write_error=openai_chat.write_error,
    ),
}

OUTBOUND: Mapping[Dialect, Outbound] = {
    "openai_chat": Outbound(
        write_request=openai_chat.write_request,
        stream_reader=openai_chat.StreamReader,
        read_whole=openai_chat.read_whole,
        observe_whole=openai_chat.observe_whole,
        read_error=openai_chat.read_error,
    ),
    "anthropic_messages": Outbound(
        write_request=anthropic_messages.write_request,
        stream_reader=anthropic_messages.StreamReader,
        read_whole=anthropic_messages.read_whole,
        observe_whole=anthropic_messages.observe_whole,
        read_error=anthropic_messages.read_error,
    ),
}

__all__ = [
    "INBOUND",
    "OUTBOUND",
    "Inbound",
    "Outbound",
    "Outgoing",
    "ReadError",
    "StreamReader",
    "StreamRelay",
    "StreamWriter",
]
