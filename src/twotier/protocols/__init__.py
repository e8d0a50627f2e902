"""Wire formats on one side, the nouns of `domain` on the other. Pure: bytes in, bytes out.

A dialect can be spoken at two ends. `Inbound` is what a client's end needs (read its request, write
its answer), `Outbound` what an upstream's end needs (write the request, read the answer). Dispatch
picks both by name and knows no dialect itself: the same name on both ends is a relay, two names go
through `Conversation` and `Event`s. A new dialect is a new module here and a line in a table below.
Those of `domain.message.RELAYED` have no neutral form: what would translate them refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from twotier.domain.message import (
    NOTHING_PASSED,
    Conversation,
    Dialect,
    Event,
    Observed,
    Passed,
    Request,
    Whole,
)
from twotier.errors import TwotierError, UpstreamError
from twotier.protocols import (
    anthropic_messages,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from twotier.protocols.toolcalls import Repair
from twotier.protocols.wire import Outgoing, Rename


class StreamReader(Protocol):
    """Reads one streamed answer of an upstream."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that the chunk completes; raises `StreamBrokenError` for what is none."""
        ...

    def end(self) -> None:
        """Call it at the end of the bytes: `StreamBrokenError` unless the answer is whole."""
        ...


class StreamRelay(Protocol):
    """Passes one streamed answer on to a client of the same dialect, and observes it.

    The client's bytes are the upstream's, event for event, but for what must never reach it: a
    terminator of an answer that is not whole, and an event that is really a failure (the caller
    writes its own with `error`).
    """

    def feed(self, chunk: bytes) -> tuple[bytes, list[Event]]:
        """The bytes for the client, and the events in them."""
        ...

    def end(self) -> None:
        """As `StreamReader.end`."""
        ...

    def error(self, error: TwotierError) -> bytes:
        """As `StreamWriter.error`, for a stream that was relayed so far."""
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


class ReadRequest(Protocol):
    """Reads the head of a client's body."""

    def __call__(self, body: bytes, passed: Passed = NOTHING_PASSED) -> Request:
        """The request. Raises `RequestError` that names the field which is wrong."""
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
    """Opens a `StreamWriter`; `created` is Unix time in seconds, `request` what is answered."""

    def __call__(self, id: str, *, model: str, created: int, request: Request) -> StreamWriter:  # noqa: A002 - the wire's own word
        """A writer for one answer."""
        ...


class OpenRelay(Protocol):
    """Opens a `StreamRelay` for the answer to `request`.

    `rename` is a model name of the upstream's that no client should see and the one to show for
    it, None to leave names as they are.
    """

    def __call__(self, request: Request, *, rename: Rename | None = None) -> StreamRelay:
        """A relay for one answer."""
        ...


class OpenGuarded(Protocol):
    """Opens a `StreamRelay` whose calls are repaired. `created` is Unix time in seconds."""

    def __call__(
        self, request: Request, repair: Repair, *, created: int, rename: Rename | None = None
    ) -> StreamRelay:
        """A relay for one answer, said anew from the first piece on that is held back."""
        ...


class WriteWhole(Protocol):
    """Writes an answer in one piece; `created` is Unix time in seconds."""

    def __call__(self, whole: Whole, *, created: int, request: Request) -> bytes:
        """The body."""
        ...


class ReadError(Protocol):
    """Reads a reply without a 2xx status; header names are in lower case."""

    def __call__(self, status: int, body: bytes, *, headers: Mapping[str, str]) -> UpstreamError:
        """The error, never raised here."""
        ...


@dataclass(frozen=True, slots=True)
class Inbound:
    """A dialect as clients speak it to us. `guarded` is None where a stream that has begun cannot
    go on in other words: what is to be repaired is said anew from its first event on.
    """

    read_request: ReadRequest
    rewrite: Rewrite
    read_conversation: Callable[[bytes], Conversation]
    stream_relay: OpenRelay
    stream_writer: OpenWriter
    write_whole: WriteWhole
    write_error: Callable[[TwotierError], bytes]
    guarded: OpenGuarded | None = None


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
        guarded=openai_chat.GuardedRelay,
    ),
    "anthropic_messages": Inbound(
        read_request=anthropic_messages.read_request,
        rewrite=anthropic_messages.rewrite,
        read_conversation=anthropic_messages.read_conversation,
        stream_relay=anthropic_messages.StreamRelay,
        stream_writer=anthropic_messages.StreamWriter,
        write_whole=anthropic_messages.write_whole,
        write_error=anthropic_messages.write_error,
    ),
    "anthropic_count": Inbound(
        read_request=anthropic_messages.read_count,
        rewrite=anthropic_messages.rewrite_count,
        read_conversation=anthropic_messages.no_count,
        stream_relay=anthropic_messages.no_count,
        stream_writer=anthropic_messages.no_count,
        write_whole=anthropic_messages.no_count,
        write_error=anthropic_messages.write_error,
    ),
    "openai_responses": Inbound(
        read_request=openai_responses.read_request,
        rewrite=openai_responses.rewrite,
        read_conversation=openai_responses.read_conversation,
        stream_relay=openai_responses.StreamRelay,
        stream_writer=openai_responses.StreamWriter,
        write_whole=openai_responses.write_whole,
        write_error=openai_responses.write_error,
    ),
    "openai_completions": Inbound(
        read_request=openai_completions.read_request,
        rewrite=openai_completions.rewrite,
        read_conversation=openai_completions.no_translation,
        stream_relay=openai_completions.StreamRelay,
        stream_writer=openai_completions.StreamWriter,
        write_whole=openai_completions.write_whole,
        write_error=openai_completions.write_error,
    ),
    "openai_embeddings": Inbound(
        read_request=openai_embeddings.read_request,
        rewrite=openai_embeddings.rewrite,
        read_conversation=openai_embeddings.no_embeddings,
        stream_relay=openai_embeddings.no_embeddings,
        stream_writer=openai_embeddings.no_embeddings,
        write_whole=openai_embeddings.no_embeddings,
        write_error=openai_embeddings.write_error,
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
    "openai_responses": Outbound(
        write_request=openai_responses.write_request,
        stream_reader=openai_responses.StreamReader,
        read_whole=openai_responses.read_whole,
        observe_whole=openai_responses.observe_whole,
        read_error=openai_responses.read_error,
    ),
    "openai_completions": Outbound(
        write_request=openai_completions.no_translation,
        stream_reader=openai_completions.StreamReader,
        read_whole=openai_completions.read_whole,
        observe_whole=openai_completions.observe_whole,
        read_error=openai_completions.read_error,
    ),
    "openai_embeddings": Outbound(
        write_request=openai_embeddings.no_embeddings,
        stream_reader=openai_embeddings.no_embeddings,
        read_whole=openai_embeddings.no_embeddings,
        observe_whole=openai_embeddings.observe_whole,
        read_error=openai_embeddings.read_error,
    ),
    "anthropic_messages": Outbound(
        write_request=anthropic_messages.write_request,
        stream_reader=anthropic_messages.StreamReader,
        read_whole=anthropic_messages.read_whole,
        observe_whole=anthropic_messages.observe_whole,
        read_error=anthropic_messages.read_error,
    ),
    "anthropic_count": Outbound(
        write_request=anthropic_messages.no_count,
        stream_reader=anthropic_messages.no_count,
        read_whole=anthropic_messages.no_count,
        observe_whole=anthropic_messages.observe_count,
        read_error=anthropic_messages.read_error,
    ),
}

# As above, for answers whose calls are repaired: that one was announced and not made is not yet a
# failure, because it may stand in the text.
REPAIRED: Mapping[Dialect, Outbound] = {
    "openai_chat": replace(
        OUTBOUND["openai_chat"],
        stream_reader=partial(openai_chat.StreamReader, repaired=True),
        read_whole=partial(openai_chat.read_whole, repaired=True),
        observe_whole=partial(openai_chat.observe_whole, repaired=True),
    ),
    "anthropic_messages": replace(
        OUTBOUND["anthropic_messages"],
        stream_reader=partial(anthropic_messages.StreamReader, repaired=True),
        read_whole=partial(anthropic_messages.read_whole, repaired=True),
        observe_whole=partial(anthropic_messages.observe_whole, repaired=True),
    ),
}

__all__ = [
    "INBOUND",
    "OUTBOUND",
    "REPAIRED",
    "Inbound",
    "Outbound",
    "Outgoing",
    "ReadError",
    "Rename",
    "StreamReader",
    "StreamRelay",
    "StreamWriter",
]
