"""Packed bodies: what is right is unpacked, and a bomb never gets larger than what is read."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from twotier.tools.unpack import unpacked

TEXT = b"many words " * 1_000


def zipped(content: bytes) -> bytes:
    """The same for the same content: the time of packing is left out."""
    return gzip.compress(content, 1, mtime=0)


RAW = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (zipped(TEXT), "gzip"),
        (zipped(TEXT), " X-GZIP"),
        (zipped(TEXT[:5_500]) + zipped(TEXT[5_500:]), "gzip"),
        (zipped(TEXT) + b"\0" * 8, "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (RAW.compress(TEXT) + RAW.flush(), "deflate"),
    ],
    ids=range(8),
)
def test_what_was_packed_comes_out(packed: bytes, encoding: str) -> None:
    """Gzip in pieces, deflate with and without its header: all of it is in use."""
    assert unpacked(packed, encoding, bytes_max=len(TEXT)) == TEXT


def test_nothing_is_nothing() -> None:
    """A HEAD says how it would be packed and sends nothing."""
    assert unpacked(b"", "gzip", bytes_max=10) == b""


@pytest.mark.parametrize(
    ("packed", "encoding", "says"),
    [
        (b"plain", "gzip", "is no gzip"),
        (b"plain", "deflate", "is no deflate"),
        (zipped(TEXT[:500])[:-9], "gzip", "cut off"),
        (zipped(TEXT[:500]) + b"more", "gzip", "is no gzip"),
        (b"plain", "br", "'br', which was not asked for"),
        (b"plain", "gzip, gzip", "not asked for"),
        (zipped(TEXT), "gzip", "bomb"),
        (zlib.compress(TEXT), "deflate", "bomb"),
        (zipped(TEXT[:400]) * 3, "gzip", "bomb"),
    ],
    ids=range(9),
)
def test_what_cannot_be_unpacked_says_why(packed: bytes, encoding: str, says: str) -> None:
    """Damage, other packings and what is too large are different sentences."""
    with pytest.raises(ValueError, match=says):
        unpacked(packed, encoding, bytes_max=1_000)


def test_a_bomb_does_not_go_off() -> None:
    """200 MB in 200 KB, several times over, never take more memory than may be read."""
    bomb = zipped(bytes(200_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="bomb"):
            unpacked(bomb, "gzip", bytes_max=1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
