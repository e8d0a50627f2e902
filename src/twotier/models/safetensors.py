"""The header of a safetensors file: which tensors there are, and how many bytes they take.

Eight bytes of length, then JSON. The file may come from anywhere, so nothing in it is believed:
lengths are bounded, places must be in order and inside the file, and a tensor's bytes must be what
its shape and type say. Pure: bytes in, values out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from twotier.errors import NOT_READABLE, EngineError

FILES = "model*.safetensors"  # what mlx-lm loads of a folder; others are a second copy
LENGTH_BYTES = 8
HEADER_BYTES_MAX = 100_000_000  # the format's own ceiling
TENSORS_MAX = 1_000_000
DIMENSIONS_MAX = 64
SIZE_MAX = 2**63
_BITS = {
    4: "F4",
    6: "F6_E2M3 F6_E3M2",
    8: "BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0",
    16: "U16 I16 F16 BF16",
    32: "U32 I32 F32",
    64: "U64 I64 F64 C64",
}
BITS = {kind: bits for bits, kinds in _BITS.items() for kind in kinds.split()}


@dataclass(frozen=True, slots=True)
class Weights:
    """The bytes of a model's tensors, in all and by type."""

    total_bytes: int = 0
    tensors: int = 0
    by_type: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Weights) -> Weights:
        kinds = {*self.by_type, *other.by_type}
        summed = {kind: self.by_type.get(kind, 0) + other.by_type.get(kind, 0) for kind in kinds}
        return Weights(self.total_bytes + other.total_bytes, self.tensors + other.tensors, summed)


def header_bytes(first: bytes) -> int:
    """The length of the header, from the first eight bytes. Raises `EngineError`."""
    if len(first) < LENGTH_BYTES:
        raise EngineError("the file is too short for a safetensors file; fetch it again")
    length = int.from_bytes(first[:LENGTH_BYTES], "little")
    if not 2 <= length <= HEADER_BYTES_MAX:
        raise EngineError(f"a safetensors header of {length} bytes cannot be; fetch the file again")
    return length


def weights(header: bytes, *, data_bytes: int | None = None) -> Weights:
    """What the header lists. Raises `EngineError` for a header that does not add up.

    `data_bytes`: what lies behind the header; None where only the header is at hand.
    """
    total, by_type, end_before = 0, dict[str, int](), 0
    rows = _rows(header)
    # By both ends: a tensor without elements begins where the next one does.
    for name, row in sorted(rows.items(), key=lambda item: _place(item[1])):
        begin, end = _place(row)
        kind = str(row.get("dtype", ""))
        if begin < end_before or end - begin != _expected(row, kind):
            raise EngineError(f"the tensor {name[:60]!r} does not fit its place; not a sound file")
        end_before = end
        total += end - begin
        by_type[kind] = by_type.get(kind, 0) + end - begin
    if data_bytes is not None and end_before > data_bytes:
        raise EngineError("the file is shorter than its header says; fetch it again")
    return Weights(total, len(rows), by_type)


def _rows(header: bytes) -> dict[str, dict[str, Any]]:
    try:
        raw = json.loads(header)
    except NOT_READABLE as exc:
        raise EngineError("the header of the safetensors file is no JSON") from exc
    if not isinstance(raw, dict) or len(raw) > TENSORS_MAX:
        raise EngineError("the header of the safetensors file is no list of tensors")
    raw.pop("__metadata__", None)
    if not all(isinstance(row, dict) for row in raw.values()):
        raise EngineError("the header of the safetensors file is no list of tensors")
    return raw


def _place(row: dict[str, Any]) -> tuple[int, int]:
    match row.get("data_offsets"):
        case [int() as begin, int() as end] if 0 <= begin <= end:
            return begin, end
    raise EngineError("a tensor of the safetensors file has no place; not a sound file")


def _expected(row: dict[str, Any], kind: str) -> int:
    """The bytes that shape and type make; -1, which no place has, for what makes none."""
    shape = row.get("shape")
    if kind not in BITS or not isinstance(shape, list) or len(shape) > DIMENSIONS_MAX:
        return -1
    if not all(isinstance(size, int) and 0 <= size < SIZE_MAX for size in shape):
        return -1
    return math.prod(shape) * BITS[kind] // 8
