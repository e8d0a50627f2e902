"""What the owner's own command of a server says of its memory: its window, its caches, how narrow
they are. Only options that decide about bytes are read; what is not said, or not understood, is
None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

MIB = 1024 * 1024
GROUP = 64  # of mlx-lm's quantised caches, where nothing is said
GROUP_EXTRA_BYTES = 4  # a scale and an offset
NARROW_FROM = 5_000  # of mlx-lm, where nothing is said
# Bytes for each number in llama.cpp's caches: blocks of 32 with what scales them.
CACHE_TYPES = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
# Every way to say it: options, then the variable.
LLAMA = {
    "window": ("--ctx-size", "-c", "LLAMA_ARG_CTX_SIZE"),
    "parallel": ("--parallel", "-np", "LLAMA_ARG_N_PARALLEL"),
    "keys": ("--cache-type-k", "-ctk", "LLAMA_ARG_CACHE_TYPE_K"),
    "values": ("--cache-type-v", "-ctv", "LLAMA_ARG_CACHE_TYPE_V"),
    "cache": ("--cache-ram", "-cram", "LLAMA_ARG_CACHE_RAM"),
}
MLX = {
    "parallel": ("--decode-concurrency",),
    "cache": ("--prompt-cache-bytes",),
    "bits": ("--kv-bits",),
    "group": ("--kv-group-size",),
    "start": ("--quantized-kv-start",),
}


@dataclass(frozen=True, slots=True)
class Flags:
    """`window_tokens` is for one request. `kv_element_bytes`: of each number in the caches of those
    that are longer than `narrow_from_tokens`. `alone`: requests are served one at a time.
    """

    window_tokens: int | None = None
    parallel: int | None = None
    prompt_cache_bytes: int | None = None
    kv_element_bytes: float | None = None
    narrow_from_tokens: int = 0
    alone: bool = False


def flags_of(engine: str, command: Sequence[str], *, env: Mapping[str, str]) -> Flags:
    """What this engine's options say in a command and its variables."""
    if engine == "llama_cpp":
        return llama(values(command, LLAMA, env=env))
    return mlx(values(command, MLX, env=env)) if engine == "mlx_lm" else Flags()


def values(
    command: Sequence[str], names: Mapping[str, Sequence[str]], *, env: Mapping[str, str]
) -> Mapping[str, str]:
    """The value of each name that is said, `--option value` or `--option=value`; the last counts,
    and an option before a variable.
    """
    said = dict(env)
    for at, word in enumerate(command):
        option, joined, value = word.partition("=")
        if option.startswith("-"):
            said[option] = value if joined else next(iter(command[at + 1 : at + 2]), "")
    found = {}
    for name, ways in names.items():
        told = [said[way] for way in ways if way in said]
        if told:
            found[name] = told[0]
    return found


def llama(said: Mapping[str, str]) -> Flags:
    """llama.cpp divides its context among its slots, and keeps prompts by the MiB."""
    window, parallel = number(said, "window"), number(said, "parallel")
    cache = number(said, "cache")
    narrow = [CACHE_TYPES.get(said.get(half, "f16").lower(), 2.0) for half in ("keys", "values")]
    return Flags(
        window // max(1, parallel or 1) if window else None,
        parallel,
        cache * MIB if cache is not None and cache >= 0 else None,
        sum(narrow) / 2 if {"keys", "values"} & said.keys() else None,
    )


def mlx(said: Mapping[str, str]) -> Flags:
    """mlx-lm has no window. Narrow caches are so from a token on, and end its batches."""
    parallel, cache, bits = (number(said, name) for name in ("parallel", "cache", "bits"))
    if not bits:
        return Flags(None, parallel, cache)
    group, start = number(said, "group") or GROUP, number(said, "start")
    element = bits / 8 + GROUP_EXTRA_BYTES / group
    return Flags(None, parallel, cache, element, NARROW_FROM if start is None else start, True)


def number(said: Mapping[str, str], name: str) -> int | None:
    """A whole number; None where there is none."""
    with suppress(KeyError, ValueError):
        return int(said[name])
    return None
