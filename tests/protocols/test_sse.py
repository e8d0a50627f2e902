"""Server-sent events: the same bytes give the same events, however they are cut."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.errors import StreamBrokenError
from twotier.protocols.sse import Decoder, SseEvent, encode, encode_comment

LINES = st.lists(
    st.sampled_from(
        [
            *(b"data: a", b"data:b", b"data", b"data:", b"", b"", b": ping", b":", b"event: x"),
            *("data: Köln 🙂".encode(), b"<html>", b"retry: 5", b"event", b"id: 1"),
        ]
    ),
    max_size=12,
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A stream with any mixture of line ends, with and without a BOM."""
    lines = b"".join(line + draw(ENDS) for line in draw(LINES))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + lines + draw(st.binary(max_size=5))


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(streams(), st.lists(st.integers(min_value=0), max_size=8))
def test_any_cut_gives_the_same_events(data: bytes, cuts: list[int]) -> None:
    at_once = Decoder().feed(data)
    decoder = Decoder()
    assert [event for piece in in_pieces(data, cuts) for event in decoder.feed(piece)] == at_once


@given(streams())
def test_single_bytes_give_the_same_events(data: bytes) -> None:
    decoder = Decoder()
    one_by_one = [e for at in range(len(data)) for e in decoder.feed(data[at : at + 1])]
    assert one_by_one == Decoder().feed(data)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_each_line_end_is_understood(end: bytes) -> None:
    data = end.join([b"event: e", b"data: a", b"data: b", b"", b": hi", b"data: c", b"", b""])
    assert Decoder().feed(data) == [
        SseEvent(b"a\nb", "e"),
        SseEvent(b"", "", b"hi"),
        SseEvent(b"c"),
    ]


def test_the_bom_belongs_to_the_stream_and_not_to_the_first_field() -> None:
    assert Decoder().feed(b"\xef\xbb\xbfdata: a\n\n") == [SseEvent(b"a")]


def test_only_one_space_is_taken_and_unknown_fields_mean_nothing() -> None:
    data = b"data:  a\nid: 1\nretry: 2\nfoo: 3\n\nevent: lonely\n\ndata: b\n\n"
    assert Decoder().feed(data) == [SseEvent(b" a"), SseEvent(b"b")]


def test_an_event_that_never_ends_is_refused_at_the_limit() -> None:
    decoder = Decoder(event_bytes_max=100)
    decoder.feed(b"data: " + b"x" * 90)
    with pytest.raises(StreamBrokenError, match="100 bytes"):
        decoder.feed(b"x" * 10)


def test_an_event_of_endless_lines_is_refused_at_the_limit() -> None:
    decoder = Decoder(event_bytes_max=100)
    decoder.feed(b"data:\n" * 100)
    with pytest.raises(StreamBrokenError):
        decoder.feed(b"data:\n")


def test_the_time_is_linear_even_for_one_byte_at_a_time() -> None:
    """Ten times the bytes take about ten times as long: forty times would be a bug."""

    def seconds(size: int) -> float:
        decoder, data = Decoder(), b"data: " + b"x" * size + b"\n\n"
        start = time.process_time()
        for at in range(len(data)):
            decoder.feed(data[at : at + 1])
        return time.process_time() - start

    small = min(seconds(5_000) for _ in range(3))
    assert min(seconds(50_000) for _ in range(3)) < 40 * small


@given(st.binary(min_size=1).filter(lambda data: b"\r" not in data), st.sampled_from(["", "e"]))
def test_what_is_encoded_is_decoded(data: bytes, name: str) -> None:
    assert Decoder().feed(encode(data, name)) == [SseEvent(data, name)]


def test_a_comment_is_encoded_as_one() -> None:
    assert Decoder().feed(encode_comment("hi")) == [SseEvent(b"", "", b"hi")]


@pytest.mark.parametrize(
    "chunk",
    [
        b"data: a\n\ndata: b\n\n",
        b"event: e\ndata: a\n\ndata: b\n\nevent: f\ndata: c\n\n",
        b"data: a\ndata: b\n\n",
        b"event: e\ndata: a\ndata: b\n\n",
        b"event: e\n\ndata: a\n\n",
        b"event: e\nid: 1\ndata: a\n\n",
        b": hi\n\ndata: a\n\n",
        b"\n\n",
        b"\n\ndata: a\n\n",
    ],
)
def test_whole_events_in_one_chunk_are_what_single_bytes_make_of_them(chunk: bytes) -> None:
    whole, single = Decoder(), Decoder()
    whole.feed(b": first\n\n")
    single.feed(b": first\n\n")
    assert whole.feed(chunk) == [
        event for at in range(len(chunk)) for event in single.feed(chunk[at : at + 1])
    ]
