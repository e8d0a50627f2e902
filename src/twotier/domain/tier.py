"""A tier: a model we can ask, with its price and, if it is local, its server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from twotier.domain.message import Dialect
from twotier.domain.money import Price


class TierPolicy(StrEnum):
    """Which tiers a piece of work may use. Crossing is never silent."""

    AUTO = "auto"
    LOCAL_ONLY = "local-only"
    LOCAL_THEN_FRONTIER = "local-then-frontier"
    FRONTIER = "frontier"


# From the widest to the strictest: with each step less leaves this machine and less is spent.
STRICTNESS = (
    TierPolicy.FRONTIER,
    TierPolicy.AUTO,
    TierPolicy.LOCAL_THEN_FRONTIER,
    TierPolicy.LOCAL_ONLY,
)


def stricter(one: TierPolicy, other: TierPolicy) -> TierPolicy:
    """The one that counts where two speak about the same work."""
    return max(one, other, key=STRICTNESS.index)


class TierState(StrEnum):
    """What a tier can do for a request that arrives now."""

    READY = "ready"
    COMING_UP = "coming-up"  # starting, loading or waiting for its next start
    DOWN = "down"
    NO_KEY = "no-key"
    QUARANTINED = "quarantined"
    STANDBY = "standby"  # installed, and another model is loaded in its place


@dataclass(frozen=True, slots=True)
class TierSpec:
    """What is fixed about a tier while the program runs.

    `provider` and `model` together are its full ref, split at the first slash. `model_upstream` is
    the name its server wants to hear (mlx-lm: `default_model`). `dialect` is what requests are
    translated into; what comes in a dialect of `also` is relayed as it is, in one of `careful` only
    where it has no tools, because nothing is mended or checked on that way. `price` is None where
    nobody knows it, and then the tier is refused. `stream_always`: the upstream goes on generating
    when its caller leaves, or is the frontier, so it is always asked for a stream. `stream_bent`:
    what it streams in `dialect` is never relayed, but said anew. `standby`: it is asked only by its
    name, never by our own choice. `parallel`: so many requests a server of ours works on at a time.
    `caches`: its prompts are kept where we mark them. `batches`: it takes work that may wait.
    Seconds are limits.
    """

    name: str
    provider: str
    model: str
    model_upstream: str
    dialect: Dialect
    local: bool
    price: Price | None
    window_tokens: int
    output_tokens_default: int
    stream_always: bool
    can_images: bool
    can_tools: bool
    connect_seconds: float
    first_token_seconds: float
    idle_seconds: float
    total_seconds: float
    also: frozenset[Dialect] = frozenset()
    careful: frozenset[Dialect] = frozenset()
    stream_bent: bool = False
    standby: bool = False
    parallel: int = 2
    caches: bool = False
    batches: bool = False

    def speaks(self, dialect: Dialect, *, exacting: bool = False, tools: int = 0) -> bool:
        """Whether a request of this dialect is relayed, and not translated."""
        if dialect == self.dialect:
            return True
        safe = not exacting and not (tools and dialect in self.careful)
        return safe and dialect in self.also

    @property
    def ref(self) -> str:
        """The full name: `provider/model`."""
        return f"{self.provider}/{self.model}"


class Load(msgspec.Struct, frozen=True):
    """How busy a tier with slots is. `admitted`: how many of them may be taken now.

    `full`: one more request would be one too many, also for the line in front of them.
    """

    slots: int
    admitted: int
    in_use: int
    waiting: int
    full: bool


def nears(tokens: int, window_tokens: int) -> bool:
    """Whether so many tokens might not fit a window that is smaller for a while: it is never less
    than a quarter, so most requests need not ask how large it is now.
    """
    return tokens * 4 > window_tokens


class TierFacts(msgspec.Struct, frozen=True):
    """What is known about a tier at the moment of deciding; old as soon as it is read.

    `because` is one sentence for people: the cause of death, the missing key, the time it loads.
    `lost`: it was there and died, or somebody says so, and it is not back yet. `load` is told where
    one more request would have to wait for a slot. `window_tokens` is the window in force where
    that is less than the tier's own, for `window_because`; 0: all of it.
    """

    name: str
    state: TierState
    because: str = ""
    pid: int | None = None
    address: str = ""
    lost: bool = False
    load: Load | None = None
    window_tokens: int = 0
    window_because: str = ""
