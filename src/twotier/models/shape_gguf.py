"""A model's shape from the header of its GGUF file, as llama.cpp reads it.

Every number stands under the name of the architecture. The number of key-value heads may be a list
with one entry for each layer; 0 there is a layer without attention. llama.cpp keeps recurrent
state in 32 bits, and MLA's narrow vector where the file says how wide it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twotier.models.gguf import Header
from twotier.models.shape import Kind, Layers, Shape, Work, grouped

LAYERS_MAX = 10_000
NUMBER_MAX = 2**40
# Architectures with a sliding window in which every nth layer is full; others say it in the file.
FULL_EVERY = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "cohere2": 4,
    "llama4": 4,
    "olmo2": 4,
    "exaone4": 4,
}
# Architectures whose file says a window that llama.cpp does not use.
WINDOW_UNUSED = frozenset({"phi3", "llama", "mistral3", "qwen2", "qwen2moe", "qwen3"})
RECURRENT = ("ssm.state_size", "ssm.inner_size")


class Keys:
    """The values of one architecture; what is absent is 0."""

    def __init__(self, header: Header) -> None:
        self.values: Mapping[str, Any] = header.values
        self.counts = header.counts
        self.family = str(header.values.get("general.architecture", ""))[:60]

    def number(self, *names: str) -> int:
        """The first of these that is there and one number."""
        for name in names:
            value = self.values.get(f"{self.family}.{name}")
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < NUMBER_MAX:
                return value
        return 0

    def each(self, name: str, count: int) -> list[int]:
        """One number for each layer, whether the file says one or a list."""
        value = self.values.get(f"{self.family}.{name}")
        if isinstance(value, list):
            numbers = [
                int(one) if isinstance(one, int) and 0 <= one < NUMBER_MAX else 0 for one in value
            ]
            return (numbers + [0] * count)[:count]
        return [self.number(name)] * count


def of_gguf(header: Header) -> Shape:
    """The shape."""
    keys = Keys(header)
    count = min(keys.number("block_count"), LAYERS_MAX)
    heads = max(keys.each("attention.head_count", count), default=0)
    rows, doubts = layers_of(keys, count, heads=heads)
    vocabulary = keys.number("vocab_size") or header.counts.get("tokenizer.ggml.tokens", 0)
    experts = keys.number("expert_used_count")
    dense = max(keys.each("feed_forward_length", count), default=0)
    one = keys.number("expert_feed_forward_length") or dense
    shared = keys.number("expert_shared_feed_forward_length")
    return Shape(
        family=keys.family or "unknown",
        layers=grouped(rows),
        window_tokens=keys.number("context_length"),
        work=Work(
            hidden=keys.number("embedding_length"),
            heads=heads,
            active=experts * one + shared if experts else dense,
            experts=experts,
            vocabulary=vocabulary,
        ),
        doubts=doubts,
    )


def layers_of(keys: Keys, count: int, *, heads: int) -> tuple[list[Layers], tuple[str, ...]]:
    """Each layer, and what is not certain about them."""
    if not count or not heads:
        return [], ("the file does not say how many layers and heads it has: no cache counted",)
    if latent := keys.number("attention.kv_lora_rank"):
        rotated = keys.number("rope.dimension_count")
        return [Layers(Kind.LATENT, count, 2 * latent + rotated)], ()
    width = keys.number("embedding_length") // heads
    key = keys.number("attention.key_length") or width
    value = keys.number("attention.value_length") or width
    kv_heads = keys.each("attention.head_count_kv", count)
    if not any(kv_heads):
        kv_heads = [heads] * count
    window = 0 if keys.family in WINDOW_UNUSED else keys.number("attention.sliding_window")
    slides, doubt = sliding_layers(keys, count, window=window)
    recurrent = state_of(keys)
    every = keys.number("full_attention_interval") or (4 if keys.family == "qwen3next" else 0)
    rows = []
    for at in range(count):
        if recurrent and (not kv_heads[at] or (every and (at + 1) % every)):
            rows.append(Layers(Kind.LINEAR, 1, state=recurrent))
        elif slides[at]:
            rows.append(Layers(Kind.SLIDING, 1, kv_heads[at] * (key + value), window))
        else:
            rows.append(Layers(Kind.FULL, 1, kv_heads[at] * (key + value)))
    return rows, (doubt,) if doubt else ()


def sliding_layers(keys: Keys, count: int, *, window: int) -> tuple[list[bool], str]:
    """Which layers have a window, and a sentence where nobody says which."""
    if not window:
        return [False] * count, ""
    pattern = keys.values.get(f"{keys.family}.attention.sliding_window_pattern")
    if isinstance(pattern, list):
        return ([bool(one) for one in pattern] + [False] * count)[:count], ""
    every = keys.number("attention.sliding_window_pattern") or FULL_EVERY.get(keys.family, 0)
    if every:
        return [bool((at + 1) % every) for at in range(count)], ""
    return [False] * count, (
        f"which layers of {keys.family!r} have the sliding window is not known here: counted as"
        " full attention in every layer, which is the most it can be"
    )


def state_of(keys: Keys) -> int:
    """The state of one layer without attention: its matrix and the tail of its convolution."""
    size, inner = (keys.number(name) for name in RECURRENT)
    groups, tail = keys.number("ssm.group_count"), max(keys.number("ssm.conv_kernel") - 1, 0)
    return size * inner + tail * (inner + 2 * groups * size)
