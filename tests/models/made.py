"""Model files made for tests: headers of the real formats, with as few bytes behind them as go."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twotier.models.safetensors import BITS

M25: dict[str, Any] = {
    "model_type": "minimax_m2",
    "num_hidden_layers": 62,
    "hidden_size": 3072,
    "intermediate_size": 1536,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_local_experts": 256,
    "num_experts_per_tok": 8,
    "vocab_size": 200_064,
    "max_position_embeddings": 196_608,
}


def safetensors_header(tensors: Mapping[str, tuple[str, Sequence[int]]]) -> bytes:
    """A header with these names, types and shapes, in order."""
    rows: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    at = 0
    for name, (kind, shape) in tensors.items():
        size = math.prod(shape) * BITS[kind] // 8
        rows[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    return json.dumps(rows).encode()


def safetensors_file(tensors: Mapping[str, tuple[str, Sequence[int]]]) -> bytes:
    """The whole file, its tensors zero."""
    header = safetensors_header(tensors)
    size = sum(math.prod(shape) * BITS[kind] // 8 for kind, shape in tensors.values())
    return len(header).to_bytes(8, "little") + header + bytes(size)


def mlx_4bit_m25() -> dict[str, tuple[str, Sequence[int]]]:
    """The tensors of M2.5 as MLX quantises it: 4 bits in groups of 64, gates in 8, norms in 16."""
    hidden, inner, experts, vocabulary = 3072, 1536, 256, 200_064
    tensors: dict[str, tuple[str, Sequence[int]]] = {"model.norm.weight": ("BF16", [hidden])}

    def linear(name: str, *shape: int, bits: int = 4) -> None:
        *rows, columns = shape
        tensors[f"{name}.weight"] = ("U32", [*rows, columns * bits // 32])
        tensors[f"{name}.scales"] = ("BF16", [*rows, columns // 64])
        tensors[f"{name}.biases"] = ("BF16", [*rows, columns // 64])

    linear("model.embed_tokens", vocabulary, hidden)
    linear("lm_head", vocabulary, hidden)
    for layer in range(62):
        at = f"model.layers.{layer}"
        for name, rows, columns in (
            ("q_proj", 48 * 128, hidden),
            ("k_proj", 8 * 128, hidden),
            ("v_proj", 8 * 128, hidden),
            ("o_proj", hidden, 48 * 128),
        ):
            linear(f"{at}.self_attn.{name}", rows, columns)
        tensors[f"{at}.self_attn.q_norm.weight"] = ("BF16", [48 * 128])
        tensors[f"{at}.self_attn.k_norm.weight"] = ("BF16", [8 * 128])
        tensors[f"{at}.input_layernorm.weight"] = ("BF16", [hidden])
        tensors[f"{at}.post_attention_layernorm.weight"] = ("BF16", [hidden])
        linear(f"{at}.mlp.gate", experts, hidden, bits=8)
        tensors[f"{at}.mlp.e_score_correction_bias"] = ("F32", [experts])
        linear(f"{at}.mlp.switch_mlp.gate_proj", experts, inner, hidden)
        linear(f"{at}.mlp.switch_mlp.up_proj", experts, inner, hidden)
        linear(f"{at}.mlp.switch_mlp.down_proj", experts, hidden, inner)
    return tensors


def text(value: str) -> bytes:
    """A text as GGUF has it."""
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(value: Any) -> bytes:
    """A value with its type: texts, whole numbers, truths, and lists of one kind."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<IQ", 10, value) if value >= 0 else struct.pack("<Iq", 11, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + text(value)
        case list():
            inner = [gguf_value(one) for one in value]
            kind = inner[0][:4]
            return (
                struct.pack("<I", 9)
                + kind
                + struct.pack("<Q", len(value))
                + b"".join(one[4:] for one in inner)
            )
    raise TypeError(value)


def gguf_file(
    values: Mapping[str, Any], tensors: Mapping[str, tuple[int, Sequence[int]]] | None = None
) -> bytes:
    """A GGUF header; the tensors' bytes are left out, nobody reads them here."""
    tensors = tensors or {}
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(values))]
    parts += [text(key) + gguf_value(value) for key, value in values.items()]
    for name, (kind, shape) in tensors.items():
        parts.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, 0))
    return b"".join(parts)


def llama_values(**more: Any) -> dict[str, Any]:
    """The keys of a small llama."""
    return {
        "general.architecture": "llama",
        "general.license": "apache-2.0",
        "llama.block_count": 4,
        "llama.context_length": 8192,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 256,
        "llama.attention.head_count": 8,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": ["a"] * 5000,
        **more,
    }


def mlx_folder(folder: Path, *, config: Mapping[str, Any] | None = None) -> Path:
    """A whole small MLX model."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {
        "model_type": "llama",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "vocab_size": 100,
        "max_position_embeddings": 4096,
        "quantization": {"bits": 4},
    }
    (folder / "config.json").write_text(json.dumps({**plain, **(config or {})}))
    tensors = {"a.weight": ("U32", [16, 8]), "a.scales": ("BF16", [16, 1])}
    (folder / "model.safetensors").write_bytes(safetensors_file(tensors))
    return folder


def gguf_on(path: Path, **more: Any) -> Path:
    """A small GGUF model at that path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf_file(llama_values(**more), {"a": (2, [32, 32])}))
    return path
