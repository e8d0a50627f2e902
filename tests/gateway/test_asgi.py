"""Reading a body: in any number of parts, within its limits, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from twotier.errors import RequestError, TooLargeError
from twotier.gateway.asgi import ClientGoneError, Message, encode, header, read_body


def body_of(*parts: bytes, limit: int = 100, length: str = "") -> bytes:
    """What `read_body` makes of these parts."""
    last = len(parts) - 1
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": number < last}
        for number, part in enumerate(parts)
    ]
    return heard(messages, limit=limit, length=length)


def heard(messages: Sequence[Message], *, limit: int = 100, length: str = "") -> bytes:
    """What `read_body` makes of these messages."""
    waiting = list(messages)

    async def receive() -> Message:
        return waiting.pop(0)

    headers = [(b"content-length", length.encode())] if length else []
    return asyncio.run(read_body({"headers": headers}, receive, bytes_max=limit))


@pytest.mark.parametrize("parts", [(b"abc",), (b"a", b"b", b"c"), (b"abc", b""), (b"", b"abc")])
def test_the_parts_are_put_together(parts: tuple[bytes, ...]) -> None:
    """However they were cut."""
    assert body_of(*parts) == b"abc"


def test_a_declared_length_over_the_limit_is_refused_before_reading() -> None:
    """Nothing is read of it."""
    with pytest.raises(TooLargeError, match=r"gateway\.body_bytes_max"):
        heard([], limit=10, length="11")


@pytest.mark.parametrize("parts", [(b"x" * 11,), (b"x" * 6, b"x" * 6, b"x")])
def test_a_body_over_the_limit_is_refused_while_it_comes(parts: tuple[bytes, ...]) -> None:
    """Whatever its length header said."""
    with pytest.raises(TooLargeError):
        body_of(*parts, limit=10, length="3")


def test_an_empty_body_says_what_to_send() -> None:
    """And is not taken for JSON."""
    with pytest.raises(RequestError, match="JSON object"):
        body_of(b"")


def test_a_client_that_leaves_while_sending_is_gone() -> None:
    """Half a body is no request."""
    with pytest.raises(ClientGoneError):
        heard(
            [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]
        )


def test_a_header_cannot_be_split_by_a_line_break() -> None:
    """What an upstream wrote into its error may end up in a header of ours. A zero byte in one
    cost the whole answer.
    """
    assert encode(
        [("x-a", "one\r\nx-b: two"), ("x-c", "\u2026"), ("x-d", "a\0b\x1b[2J\xa0\xe4")]
    ) == [
        (b"x-a", b"one  x-b: two"),
        (b"x-c", b"?"),
        (b"x-d", b"a b [2J \xe4"),
    ]


def test_a_header_is_found_by_its_name() -> None:
    """And is empty if it is not there."""
    assert header({"headers": [(b"host", b"h")]}, b"host") == "h"
    assert header({"headers": []}, b"host") == ""
