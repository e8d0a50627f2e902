"""A second request hidden in the first, in each way that servers and proxies were fooled with.

Whatever the answer is, the hidden one never becomes a request, and where two readers could see two
ends of one body the whole of it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serve.running import Echo, Running
from twotier.serve.limits import Limits

HIDDEN = b"GET /hidden HTTP/1.1\r\nhost: localhost\r\n\r\n"
POST = b"POST /seen HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
# What comes behind a head: its body and the hidden request, by what the other reader would think.
LENGTHS = (
    *(b"+5", b"5,5", b"5, 6", b"5 5", b"0x5", b"5.0", b"-0", b"5;", b"\x005", b"5_0", b"5e0"),
    b"99999999999999999999999999",
)
CODINGS = (
    *(b"xchunked", b"chunked, identity", b"identity, chunked, gzip", b"chunked;q=1"),
    *(b'"chunked"', b"chunked\x00", b"chunked chunked", b"chunk\xc2\xadked"),
)
SIZES = (
    *(b"-1", b"+5", b"0x5", b" 5", b"5 ", b"\t5", b"g", b"", b"5g", b"5\x00", b"5,", b"5\x0b"),
    *(b"10000000000000005", b"5\n5", b"5\r5"),
)


@pytest.fixture(scope="module")
def echo() -> Echo:
    """What looks at what came."""
    return Echo()


@pytest.fixture(scope="module")
def server(echo: Echo) -> Iterator[Running]:
    """In front of it."""
    with Running(echo, Limits(head_seconds_max=2, body_seconds_max=2)) as running:
        yield running


def refused(server: Running, echo: Echo, data: bytes) -> None:
    """400 or the end, and nobody was asked for what was hidden."""
    echo.scopes.clear()
    heard = server.ask(data)
    assert heard == b"" or heard.startswith(b"HTTP/1.1 400 "), (data, heard)
    assert heard.count(b"HTTP/1.1 4") <= 1
    assert all(scope["path"] != "/hidden" for scope in echo.scopes)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_length_that_is_no_number_is_refused(server: Running, echo: Echo, length: bytes) -> None:
    """One reader takes the digits it knows, another none of them."""
    refused(server, echo, POST + b"content-length: " + length + b"\r\n\r\nhello" + HIDDEN)


def test_two_lengths_are_refused_also_where_they_agree(server: Running, echo: Echo) -> None:
    """In one header or in two; and none beside chunks, in either order."""
    for more in (b"content-length: 5\r\ncontent-length: 5\r\n", b"content-length: 0\r\n" + CHUNKED):
        refused(server, echo, POST + more + b"\r\n0\r\n\r\n" + HIDDEN)
    refused(server, echo, POST + CHUNKED + b"content-length: 5\r\n\r\n0\r\n\r\n" + HIDDEN)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coding_nobody_knows_is_refused(server: Running, echo: Echo, coding: bytes) -> None:
    """The end of such a body is anybody's guess."""
    refused(server, echo, POST + b"transfer-encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + HIDDEN)


@pytest.mark.parametrize("size", SIZES)
def test_a_chunk_without_a_good_size_is_refused(server: Running, echo: Echo, size: bytes) -> None:
    """Blanks, signs, prefixes, more than 64 bits."""
    refused(server, echo, POST + CHUNKED + b"\r\n" + size + b"\r\nhello\r\n0\r\n\r\n" + HIDDEN)


@pytest.mark.parametrize(
    "data",
    [
        POST + CHUNKED + b"\r\n5\r\nhelloXX0\r\n\r\n" + HIDDEN,  # no line end behind a chunk
        POST + CHUNKED + b"\r\n5\nhello\r\n0\r\n\r\n" + HIDDEN,  # a bare line feed behind a size
        POST + CHUNKED + b"\r\n5\r\nhello\n0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n5;x\ny\r\nhello\r\n0\r\n\r\n" + HIDDEN,  # one in an extension
        POST + CHUNKED + b"\r\n5;x=\x00\r\nhello\r\n0\r\n\r\n" + HIDDEN,
        POST.replace(b"\r\n", b"\n") + b"content-length: 5\n\nhello" + HIDDEN,  # bare line feeds
        POST + b"x: a\nb: c\r\n\r\n" + HIDDEN,
        POST + b"x: a\rb: c\r\n\r\n" + HIDDEN,  # a bare carriage return
        POST + b"content-length : 5\r\n\r\nhello" + HIDDEN,  # a blank before the colon
        POST + b" content-length: 5\r\n\r\nhello" + HIDDEN,  # folded into the line before
        POST + b"x: y\r\n\tcontent-length: 5\r\n\r\nhello" + HIDDEN,
        POST + b"content\x00-length: 5\r\n\r\nhello" + HIDDEN,
        POST + b": 5\r\n\r\n" + HIDDEN,
        POST + b"no colon\r\n\r\n" + HIDDEN,
        b"POST /seen HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
        b"POST /seen HTTP/1.1 \r\nhost: localhost\r\n\r\n" + HIDDEN,
        b"POST /seen HTTP/1.1\r\rhost: localhost\r\n\r\n" + HIDDEN,
        b"POST /se\x00en HTTP/1.1\r\nhost: localhost\r\n\r\n" + HIDDEN,
        b"PO ST /seen HTTP/1.1\r\nhost: localhost\r\n\r\n" + HIDDEN,
        b"POST /seen HTTP/2.0\r\nhost: localhost\r\n\r\n" + HIDDEN,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    ],
)
def test_what_two_readers_would_read_differently_is_refused(
    server: Running, echo: Echo, data: bytes
) -> None:
    """Line ends, blanks, zero bytes, versions."""
    refused(server, echo, data)


def test_what_is_good_is_taken_and_what_follows_is_its_own_request(
    server: Running, echo: Echo
) -> None:
    """The tests above can fail: a hidden request behind a whole one is no longer hidden."""
    echo.scopes.clear()
    open_ = POST.replace(b"connection: close\r\n", b"")
    last = HIDDEN.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    heard = server.ask(open_ + CHUNKED + b"\r\n5;x=y\r\nhello\r\n0\r\n\r\n" + last)
    assert heard.count(b"HTTP/1.1 200") == 2
    assert [scope["path"] for scope in echo.scopes] == ["/seen", "/hidden"]
