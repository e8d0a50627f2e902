"""From a model, an engine and its settings to the bytes that will be needed. Pure.

What an engine costs beside the model stands in `COSTS`, measured where it says so: the program
itself, how many tokens it reads in one step, and what one step needs. Two things differ by where
the engine computes. MLX on a CPU writes attention scores out in full (2,048 tokens against all
before them, for each head), on Metal its kernels do not. llama.cpp sets room aside for a step's
logits; on a CPU those pages are never touched and so never counted, on a GPU they are taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from twotier.domain.memory import Footprint
from twotier.models.shape import Shape

MEGABYTE = 1_000_000
# Activations live in 32 bits in llama.cpp, and mostly in 16 in MLX, which copies more.
ACTIVATION_BYTES = 4
PADDED_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a model. `element_bytes`: how wide it computes, and so keeps what it read.

    `origin` says where the figures come from: the disk, the hub, or the catalogue with its date.
    """

    name: str
    weights_bytes: int
    shape: Shape
    element_bytes: float = 2.0
    origin: str = ""
    licence: str = ""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Costs:
    """What an engine needs beside the model.

    `word_bytes`: what its tokenizer holds for each entry of the vocabulary.
    `kv_element_bytes` None: as wide as the model computes. `prompts_at_once`: so many prompts are
    read in one step together. `scores`, `logits`: see above. `kv_reserved`: all of the cache is
    taken at the start.
    """

    server_bytes: int
    step_tokens: int
    word_bytes: int = 0
    prompts_at_once: int = 1
    kv_element_bytes: float | None = None
    scores: bool = False
    logits: bool = False
    kv_reserved: bool = False


# Measured on Linux x86-64, after the first token. mlx-lm 0.32.2: 88 MB with a vocabulary of 394
# words, 152 MB with one of 49,152 (the tokenizer is Python's). xllamacpp: 60 MB beyond weights and
# cache, at two windows. On Metal nobody has measured for us: these are guesses on the large side.
COSTS = {
    ("mlx_lm", "cpu"): Costs(88 * MEGABYTE, 2048, word_bytes=1300, prompts_at_once=8, scores=True),
    ("mlx_lm", "metal"): Costs(150 * MEGABYTE, 2048, word_bytes=1300, prompts_at_once=8),
    ("llama_cpp", "cpu"): Costs(60 * MEGABYTE, 512, kv_element_bytes=2.0, kv_reserved=True),
    ("llama_cpp", "metal"): Costs(
        200 * MEGABYTE, 512, kv_element_bytes=2.0, logits=True, kv_reserved=True
    ),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings that decide about memory; `window_tokens` is for one request."""

    window_tokens: int
    parallel: int
    prompt_cache_bytes: int


def costs_of(engine: str, *, metal: bool) -> Costs:
    """What this engine costs; others are llama.cpp inside, or close to it."""
    kind = engine if engine == "mlx_lm" else "llama_cpp"
    return COSTS[kind, "metal" if metal else "cpu"]


def footprint(model: Model, costs: Costs, *, plan: Plan) -> Footprint:
    """The bytes, part by part."""
    return Footprint(
        weights_bytes=model.weights_bytes,
        kv_bytes=plan.parallel * window_bytes(model, costs, tokens=plan.window_tokens),
        prompt_cache_bytes=plan.prompt_cache_bytes,
        work_bytes=work_bytes(model, costs, plan=plan),
        server_bytes=costs.server_bytes + costs.word_bytes * model.shape.work.vocabulary,
        kv_reserved=costs.kv_reserved,
    )


def window_bytes(model: Model, costs: Costs, *, tokens: int) -> int:
    """What one request of that many tokens keeps; engines take room in pieces of 256 tokens."""
    padded = -(-tokens // PADDED_TOKENS) * PADDED_TOKENS
    return model.shape.sequence_bytes(
        padded,
        element_bytes=costs.kv_element_bytes or model.element_bytes,
        step_tokens=costs.step_tokens,
    )


def work_bytes(model: Model, costs: Costs, *, plan: Plan) -> int:
    """One step of reading: what the widest layer holds for each token of the step."""
    work = model.shape.work
    # Into the feed-forward part go two halves (gate and up), out of it one row for each expert.
    row = 2 * work.active + max(work.experts, 1) * work.hidden + 2 * work.hidden
    if costs.logits:
        row += work.vocabulary
    prompts = min(costs.prompts_at_once, plan.parallel)
    tokens = prompts * min(costs.step_tokens, plan.window_tokens)
    scores = work.heads * plan.window_tokens * model.element_bytes if costs.scores else 0
    return int(tokens * (row * ACTIVATION_BYTES + scores))
