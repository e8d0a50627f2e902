"""A relayed stream whose text may turn out to be tool calls.

As long as nothing has to be held back the client gets the upstream's own bytes. From the first
piece that may be a marker on, the same answer is said anew, under the same id: that chunk cannot be
passed on, and no byte of it can be taken back.
"""

from __future__ import annotations

from twotier.domain.message import Began, Event, Failed, Progress, Request
from twotier.errors import TwotierError
from twotier.protocols.openai_chat.reader import StreamReader
from twotier.protocols.openai_chat.writer import StreamWriter
from twotier.protocols.openai_relay import ChunkRelay
from twotier.protocols.toolcalls import Repair
from twotier.protocols.wire import Rename


class GuardedRelay:
    """`StreamRelay`, repaired."""

    def __init__(
        self, request: Request, repair: Repair, *, created: int, rename: Rename | None = None
    ) -> None:
        self._relay = ChunkRelay(request, StreamReader(repaired=True), rename=rename)
        self._repair = repair
        self._request = request
        self._created = created
        self._shown = dict([rename] if rename else [])
        self._began = Began("", "")
        self._passed = False
        self._writer: StreamWriter | None = None

    def feed(self, chunk: bytes) -> tuple[bytes, list[Event]]:
        """The bytes for the client, and their events."""
        out, events = self._relay.feed(chunk)
        kept = self._repair.feed(events)
        for event in events:
            if type(event) is Began:
                self._began = event
        if self._writer is None:
            if kept == events:
                self._passed = self._passed or any(type(one) is not Progress for one in kept)
                return out, kept
            self._writer = self._anew()
        write = self._writer.write
        return b"".join(write(one) for one in kept if not isinstance(one, Failed)), kept

    def end(self) -> None:
        """As `StreamReader.end`."""
        self._relay.end()

    def error(self, error: TwotierError) -> bytes:
        """As `StreamWriter.error`; by whoever speaks to the client now."""
        return (self._writer or self._relay).error(error)

    def _anew(self) -> StreamWriter:
        """Goes on where the relayed chunks ended."""
        id_, model = self._began.id, self._began.model
        return StreamWriter(
            id_,
            model=self._shown.get(model, model),
            created=self._created,
            request=self._request,
            begun=self._passed,
        )
