"""What a model keeps for each token it has read, by kind of layer.

Full attention keeps keys and values of every token. A sliding window keeps the last few thousand.
MLA keeps one narrow vector for all heads. Linear attention and state-space layers keep a state of
fixed size however long the text is. Experts change the weights and the work, not the cache. The
numbers here are elements, not bytes: how wide an element is, the engine decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

STATE_BYTES = 4  # engines keep recurrent state in 32 bits


class Kind(StrEnum):
    """How a layer remembers."""

    FULL = "full attention"
    SLIDING = "sliding window"
    LATENT = "latent attention (MLA)"
    LINEAR = "linear attention or state space"


@dataclass(frozen=True, slots=True)
class Layers:
    """So many layers of one kind.

    `per_token`: elements kept for each token. `tokens_max`: no more tokens than that are kept.
    `state`: elements kept for each request, whatever its length.
    """

    kind: Kind
    count: int
    per_token: int = 0
    tokens_max: int | None = None
    state: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What one step of reading a prompt needs room for, in elements of one token.

    `active` is the width of the feed-forward part that runs for a token: with experts, that of
    the chosen ones together.
    """

    hidden: int = 0
    heads: int = 0
    active: int = 0
    experts: int = 0
    vocabulary: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """A model, as far as its memory is concerned.

    `doubts` are sentences about what is not known and how it was counted; with `layers` empty the
    cache cannot be told at all.
    """

    family: str
    layers: tuple[Layers, ...]
    window_tokens: int
    work: Work = Work()
    doubts: tuple[str, ...] = ()

    def sequence_bytes(self, tokens: int, *, element_bytes: float, step_tokens: int = 0) -> int:
        """What one request of that many tokens keeps.

        A sliding window holds one step of reading more than its length.
        """
        return sum(
            layers.count
            * (
                int(
                    layers.per_token * kept(layers, tokens, step_tokens=step_tokens) * element_bytes
                )
                + layers.state * STATE_BYTES
            )
            for layers in self.layers
        )

    def token_bytes(self, *, element_bytes: float) -> int:
        """What each token adds where no window is full yet: the figure people compare."""
        return int(sum(row.count * row.per_token for row in self.layers) * element_bytes)

    def text(self) -> str:
        """`12 full attention + 36 linear attention or state space`."""
        return " + ".join(f"{row.count} {row.kind.value}" for row in self.layers)


def kept(layers: Layers, tokens: int, *, step_tokens: int) -> int:
    """How many of the tokens a layer still has."""
    if layers.tokens_max is None:
        return tokens
    return min(tokens, layers.tokens_max + step_tokens)


def grouped(rows: list[Layers]) -> tuple[Layers, ...]:
    """One entry for equal layers, in the order they first come; layers that keep nothing go."""
    counts: dict[Layers, int] = {}
    for row in rows:
        if row.per_token or row.state:
            counts[row] = counts.get(row, 0) + row.count
    return tuple(
        Layers(row.kind, count, row.per_token, row.tokens_max, row.state)
        for row, count in counts.items()
    )
