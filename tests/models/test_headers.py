"""The headers of model files: read right, and refused where they cannot be true."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models import made
from twotier.errors import EngineError
from twotier.models import gguf, safetensors
from twotier.models.safetensors import Weights


def read_gguf(data: bytes) -> gguf.Header:
    return gguf.header(io.BytesIO(data).read)


def test_the_published_size_of_the_articles_model_comes_out_of_its_header() -> None:
    """128.9 GB were seen in memory for M2.5 in 4-bit MLX; its tensors make the same, within 3 %."""
    header = made.safetensors_header(made.mlx_4bit_m25())
    found = safetensors.weights(header)
    assert found.total_bytes == pytest.approx(128.9e9, rel=0.03)
    assert found.tensors == len(json.loads(header)) - 1
    assert found.by_type["U32"] > found.by_type["BF16"] > found.by_type["F32"] > 0


def test_weights_of_several_files_add_up() -> None:
    one = Weights(10, 1, {"F16": 10})
    assert one + Weights(5, 2, {"F16": 1, "F32": 4}) == Weights(15, 3, {"F16": 11, "F32": 4})


def test_a_safetensors_file_says_how_long_its_header_is() -> None:
    file = made.safetensors_file({"a": ("F16", [2, 3])})
    length = safetensors.header_bytes(file)
    header = file[8 : 8 + length]
    assert safetensors.weights(header, data_bytes=12) == Weights(12, 1, {"F16": 12})


@pytest.mark.parametrize("first", [b"", b"\0" * 7, b"\0" * 8, b"\xff" * 8])
def test_a_header_of_impossible_length_is_refused(first: bytes) -> None:
    """So that nobody reserves memory for what a file only claims."""
    with pytest.raises(EngineError):
        safetensors.header_bytes(first)


def row(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F16", "shape": [2], "data_offsets": [0, 4], **changes}


@pytest.mark.parametrize(
    "tensors",
    [
        [],
        {"a": 1},
        {"a": row(shape=[3])},
        {"a": row(shape=[-2])},
        {"a": row(shape=["2"])},
        {"a": row(shape=2)},
        {"a": row(dtype="F17")},
        {"a": row(data_offsets=[4, 0])},
        {"a": row(data_offsets=[-4, 0])},
        {"a": row(data_offsets="ab")},
        {"a": row(), "b": row(data_offsets=[2, 6])},
        {"a": row(data_offsets=[100, 104])},
        {"a": row(shape=[2**63, 0])},
        {"a": row(shape=[1] * 1000 + [2])},
    ],
)
def test_tensors_that_do_not_add_up_are_refused(tensors: Any) -> None:
    """Wrong sizes, places that overlap or lie outside, types nobody knows."""
    with pytest.raises(EngineError):
        safetensors.weights(json.dumps(tensors).encode(), data_bytes=50)


def test_a_tensor_without_elements_begins_where_the_next_one_does() -> None:
    """In whatever order the header lists them."""
    tensors = {"full": row(), "none": row(shape=[0], data_offsets=[0, 0])}
    assert safetensors.weights(json.dumps(tensors).encode(), data_bytes=4).total_bytes == 4


@pytest.mark.parametrize("header", [b"{", b"[" * 100_000, b"\xff\xfe"])
def test_a_header_that_is_no_json_is_refused(header: bytes) -> None:
    with pytest.raises(EngineError):
        safetensors.weights(header)


def test_a_gguf_header_gives_its_values_and_the_bytes_of_its_tensors() -> None:
    """4-bit blocks of 32 elements are 18 bytes; a long vocabulary is counted, not kept."""
    values = made.llama_values(**{"llama.some": [True, False], "llama.far": 0.5})
    data = made.gguf_file(values, {"a": (2, [32, 10]), "b": (0, [3]), "c": (9999, [8])})
    found = read_gguf(data)
    assert found.weights == Weights(180 + 12, 3, {"Q4_0": 180, "F32": 12})
    assert found.unknown_types == (9999,)
    assert found.values["general.architecture"] == "llama"
    assert found.values["llama.some"] == [True, False]
    assert found.values["llama.far"] == 0.5
    assert found.counts == {"tokenizer.ggml.tokens": 5000}


def test_a_long_list_of_numbers_is_stepped_over() -> None:
    """In pieces, so that its claimed length is never reserved."""
    found = read_gguf(made.gguf_file({"a": [1] * 300_000, "b": "after"}))
    assert found.counts == {"a": 300_000}
    assert found.values == {"b": "after"}


def head(*, version: int = 3, tensors: int = 0, keys: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


HOSTILE = {
    "other bytes": b"GGML" + bytes(100),
    "nothing": b"",
    "a version nobody knows": head(version=1),
    "too many tensors": head(tensors=2**60),
    "too many keys": head(keys=2**60),
    "a text without end": head(keys=1) + struct.pack("<Q", 2**62),
    "a type nobody knows": head(keys=1) + made.text("k") + struct.pack("<I", 99),
    "an array of arrays": head(keys=1) + made.text("k") + struct.pack("<IIQ", 9, 9, 2),
    "an array without end": head(keys=1) + made.text("k") + struct.pack("<IIQ", 9, 4, 2**60),
    "texts without end": head(keys=1) + made.text("k") + struct.pack("<IIQQ", 9, 8, 5000, 2**50),
    "an array of nothing known": head(keys=1) + made.text("k") + struct.pack("<IIQ", 9, 77, 1),
    "cut off": made.gguf_file(made.llama_values())[:-5],
    "too many dimensions": head(tensors=1) + made.text("t") + struct.pack("<I", 2**31),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_gguf_file_that_cannot_be_true_is_refused(what: str) -> None:
    with pytest.raises(EngineError):
        read_gguf(HOSTILE[what])


def test_a_header_has_an_end() -> None:
    """A file that goes on giving bytes is not read for ever."""
    long = made.text("k") + struct.pack("<IIQ", 9, 0, 38 * 1024 * 1024)
    left = io.BytesIO(head(keys=50) + long * 50)

    def read(size: int) -> bytes:
        return bytes(size) if size == 1024 * 1024 else left.read(size)

    with pytest.raises(EngineError, match="too long"):
        gguf.header(read)


@given(st.binary(max_size=300), st.integers(0, 200))
def test_no_bytes_make_the_readers_fail_otherwise(noise: bytes, at: int) -> None:
    """Whatever is written over a good file, it is read or refused."""
    good = made.gguf_file(made.llama_values(), {"a": (2, [32, 32])})
    for data in (noise, good[:at] + noise + good[at + len(noise) :]):
        try:
            read_gguf(data)
            safetensors.weights(data)
        except EngineError:
            continue
