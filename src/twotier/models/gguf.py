"""The header of a GGUF file: its keys and values, and the bytes of its tensors.

Read from front to back through a function that gives the next bytes, so that a file, a part of one
or a far server are the same. Nothing in the file is believed: counts, lengths and nesting have
ceilings, and all that is read together has one. Long arrays (the vocabulary) are stepped over and
only counted. Pure: it opens nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twotier.errors import EngineError
from twotier.models.safetensors import Weights

MAGIC = b"GGUF"
VERSIONS = (2, 3)
HEADER_BYTES_MAX = 64 * 1024 * 1024  # a vocabulary of 262,144 words takes about 10
KEYS_MAX = 100_000
TENSORS_MAX = 1_000_000
TEXT_BYTES_MAX = 16 * 1024 * 1024
ITEMS_MAX = 50_000_000
ITEMS_KEPT_MAX = 4096
DIMENSIONS_MAX = 8
_STRING, _ARRAY = 8, 9
# Number types of values: the letter of `struct`, by the format's own number.
NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
# Tensor types: number, name, elements in a block, bytes of a block (llama.cpp, ggml-common.h).
_TYPES = """
0 F32 1 4, 1 F16 1 2, 30 BF16 1 2, 28 F64 1 8, 24 I8 1 1, 25 I16 1 2, 26 I32 1 4, 27 I64 1 8,
2 Q4_0 32 18, 3 Q4_1 32 20, 6 Q5_0 32 22, 7 Q5_1 32 24, 8 Q8_0 32 34, 9 Q8_1 32 36,
10 Q2_K 256 84, 11 Q3_K 256 110, 12 Q4_K 256 144, 13 Q5_K 256 176, 14 Q6_K 256 210,
15 Q8_K 256 292, 16 IQ2_XXS 256 66, 17 IQ2_XS 256 74, 18 IQ3_XXS 256 98, 19 IQ1_S 256 50,
20 IQ4_NL 32 18, 21 IQ3_S 256 110, 22 IQ2_S 256 82, 23 IQ4_XS 256 136, 29 IQ1_M 256 56,
34 TQ1_0 256 54, 35 TQ2_0 256 66, 39 MXFP4 32 17, 40 NVFP4 64 36
"""
TYPES = {
    int(number): (name, int(block), int(size))
    for number, name, block, size in (row.split() for row in _TYPES.split(","))
}

Read = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Header:
    """What the file says about itself. A long array stands as its number of items, in `counts`."""

    values: Mapping[str, Any]
    counts: Mapping[str, int]
    weights: Weights
    unknown_types: tuple[int, ...] = ()


def header(read: Read) -> Header:
    """Read it all. Raises `EngineError` for what is no sound GGUF file.

    A tensor type that is not in the table is not counted and named in `unknown_types`.
    """
    source = _Source(read)
    if source.take(4) != MAGIC:
        raise EngineError("this is no GGUF file: it begins with other bytes")
    version = source.number("I")
    if version not in VERSIONS:
        raise EngineError(f"GGUF version {version} is not known here; versions 2 and 3 are")
    tensors = source.bounded(TENSORS_MAX, "tensors")
    keys = source.bounded(KEYS_MAX, "keys")
    values: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for _ in range(keys):
        key = source.text()
        value = source.value(source.number("I"))
        if isinstance(value, _Counted):
            counts[key] = value.items
        else:
            values[key] = value
    weights, unknown = _tensors(source, tensors)
    return Header(values, counts, weights, unknown)


def _tensors(source: _Source, count: int) -> tuple[Weights, tuple[int, ...]]:
    total, by_type, unknown = 0, dict[str, int](), set[int]()
    for _ in range(count):
        source.text()
        dimensions = source.number("I")
        if dimensions > DIMENSIONS_MAX:
            raise EngineError(f"a tensor of {dimensions} dimensions cannot be; not a sound file")
        elements = math.prod(source.number("Q") for _ in range(dimensions))
        kind = source.number("I")
        source.number("Q")  # its place; a sum over types is more robust than the gaps between
        if kind not in TYPES:
            unknown.add(kind)
            continue
        name, block, block_bytes = TYPES[kind]
        size = -(-elements // block) * block_bytes
        total += size
        by_type[name] = by_type.get(name, 0) + size
    return Weights(total, count, by_type), tuple(sorted(unknown))


@dataclass(frozen=True, slots=True)
class _Counted:
    """An array too long to keep."""

    items: int


class _Source:
    """The bytes, with one ceiling over everything that is taken."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._left = HEADER_BYTES_MAX

    def take(self, size: int) -> bytes:
        """Exactly so many bytes."""
        self._left -= size
        if self._left < 0:
            raise EngineError("the GGUF header is too long to be one; not a sound file")
        found = self._read(size)
        if len(found) != size:
            raise EngineError("the GGUF file ends inside its header; fetch it again")
        return found

    def number(self, letter: str) -> Any:
        """One number, little-endian."""
        return struct.unpack(f"<{letter}", self.take(struct.calcsize(f"<{letter}")))[0]

    def bounded(self, most: int, what: str) -> int:
        """A count that has a ceiling."""
        count = int(self.number("Q"))
        if count > most:
            raise EngineError(f"{count} {what} in a GGUF header cannot be; not a sound file")
        return count

    def text(self) -> str:
        """A length and that many bytes."""
        size = self.bounded(TEXT_BYTES_MAX, "bytes of text")
        return self.take(size).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """A number, a text, or an array of them; no array in an array."""
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self.array()
        if kind not in NUMBERS:
            raise EngineError(f"a value of type {kind} is not known in GGUF; not a sound file")
        return self.number(NUMBERS[kind])

    def array(self) -> Any:
        """Its items where they are few, else only how many there are."""
        kind = int(self.number("I"))
        if kind == _ARRAY:
            raise EngineError("a GGUF array of arrays is not read here")
        items = self.bounded(ITEMS_MAX, "items of an array")
        if items <= ITEMS_KEPT_MAX:
            return [self.value(kind) for _ in range(items)]
        if kind in NUMBERS:
            self.step_over(items * struct.calcsize(f"<{NUMBERS[kind]}"))
        else:
            for _ in range(items):
                self.step_over(self.bounded(TEXT_BYTES_MAX, "bytes of text"))
        return _Counted(items)

    def step_over(self, size: int) -> None:
        """Take and forget, in pieces: the length is the file's word, not ours to reserve."""
        while size > 0:
            piece = min(size, 1024 * 1024)
            self.take(piece)
            size -= piece
