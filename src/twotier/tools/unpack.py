"""Unpacks what was sent packed, and never more of it than is allowed.

A few kilobytes can unpack to gigabytes, so the size is asked of zlib before it makes more. Nothing
but gzip and deflate is asked for, one of them at a time; what comes otherwise is refused.
"""

from __future__ import annotations

import zlib

GZIP_BITS = 16 + zlib.MAX_WBITS
GZIP_NAMES = ("gzip", "x-gzip")


def unpacked(packed: bytes, encoding: str, *, bytes_max: int) -> bytes:
    """The content. Raises ValueError with the rest of a sentence about the sender."""
    name = encoding.strip().lower()
    if name in ("", "identity") or not packed:
        return packed
    try:
        if name in GZIP_NAMES:
            return members(packed, bytes_max)
        if name == "deflate":
            return deflated(packed, bytes_max)
    except zlib.error as exc:
        raise ValueError(f"what it sends is no {name}, though it says so") from exc
    raise ValueError(f"what it sends is packed as {name[:40]!r}, which was not asked for")


def members(packed: bytes, bytes_max: int) -> bytes:
    """gzip, of one piece or several behind each other; trailing zeros are allowed."""
    whole = bytearray()
    while packed.strip(b"\0"):
        piece = zlib.decompressobj(GZIP_BITS)
        whole += one(piece, packed, bytes_max=bytes_max - len(whole))
        packed = piece.unused_data
    return bytes(whole)


def deflated(packed: bytes, bytes_max: int) -> bytes:
    """Deflate as the standard has it, with a zlib header, or as many send it, without."""
    try:
        return one(zlib.decompressobj(), packed, bytes_max=bytes_max)
    except zlib.error:
        return one(zlib.decompressobj(-zlib.MAX_WBITS), packed, bytes_max=bytes_max)


def one(piece: zlib._Decompress, packed: bytes, *, bytes_max: int) -> bytes:
    """One piece to its end. Raises ValueError where it is larger or cut off."""
    content = piece.decompress(packed, bytes_max + 1)
    if len(content) > bytes_max:
        raise ValueError("it unpacks to more than is read, like a bomb")
    if not piece.eof:
        raise ValueError("what it sends is cut off")
    return content
