"""The wire to main and worker: what silence, half answers and nonsense become."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from twotier.cli.client import Peer, wire
from twotier.errors import DeadlineError, StreamBrokenError, TwotierError

SECONDS_MAX = 60.0


@asynccontextmanager
async def peer(path: Path, answer: bytes, *, hold: bool = False) -> AsyncIterator[Peer]:
    """A socket that answers every request with these bytes, and then closes or holds on."""
    held = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if body := re.search(rb"(?i)content-length: (\d+)", head):
            await reader.readexactly(int(body[1]))  # what is left unread makes a close a reset
        writer.write(answer)
        await writer.drain()
        if hold:
            await held.wait()
        writer.close()

    async with await asyncio.start_unix_server(handle, path):
        try:
            yield Peer(path, "nobody is there")
        finally:
            held.set()


def outcome(path: Path, answer: bytes, *, hold: bool = False) -> Any:
    """What a `get` gives or raises, in a thread as the server needs the loop."""

    async def scenario() -> Any:
        async with peer(path, answer, hold=hold) as there, asyncio.timeout(SECONDS_MAX):
            return await asyncio.to_thread(attempt(there))

    def attempt(there: Peer) -> Callable[[], Any]:
        return lambda: there.get("/x", {"a": "", "b": None, "c": 1}, seconds=0.3)

    return asyncio.run(scenario())


def whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    """An HTTP response."""
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


def test_silence_has_an_end(tmp_path: Path) -> None:
    """A main that hangs does not hang the command."""
    with pytest.raises(DeadlineError, match="twotier doctor"):
        outcome(tmp_path / "s", b"", hold=True)


@pytest.mark.parametrize("answer", [b"", whole(b'{"a": 1}')[:-3], b"nonsense\r\n\r\n"])
def test_half_an_answer_is_no_answer(tmp_path: Path, answer: bytes) -> None:
    """Main went away before the end of its document."""
    with pytest.raises(StreamBrokenError):
        outcome(tmp_path / "s", answer)


@pytest.mark.parametrize("body", [b"[1]", b"<html>", b"\xff"])
def test_a_document_is_a_json_object(tmp_path: Path, body: bytes) -> None:
    """Anything else is another program, or another version."""
    with pytest.raises(TwotierError, match="not a JSON object"):
        outcome(tmp_path / "s", whole(body))


def test_an_error_without_a_body_is_still_an_error(tmp_path: Path) -> None:
    """Its status is all there is to say."""
    with pytest.raises(TwotierError, match="HTTP status 500"):
        outcome(tmp_path / "s", whole(b"oops", b"500 Internal"))


def test_the_socket_of_another_user_is_told_apart() -> None:
    """`sudo twotier up`, then `twotier status`: the connection did not break."""
    with pytest.raises(TwotierError, match="another user started it"), wire():
        raise PermissionError(13, "Permission denied")


def test_a_whole_document_is_given(tmp_path: Path) -> None:
    """The ordinary case; an empty body is an empty document."""
    assert outcome(tmp_path / "s", whole(b'{"a": 1}')) == {"a": 1}
    assert outcome(tmp_path / "t", whole(b"")) == {}
