"""A tier: a model we can ask, with its price and, if it is local, its server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from twotier.domain.message import Dialect
from twotier.domain.money import Price


class TierPolicy(StrEnum):
    """Which tiers a piece of work may use. Crossing is never silent."""

    AUTO = "auto"
    LOCAL_ONLY = "local-only"
    LOCAL_THEN_FRONTIER = "local-then-frontier"
    FRONTIER = "frontier"


class TierState(StrEnum):
    """What a tier can do for a request that arrives now."""

    READY = "ready"
    COMING_UP = "coming-up"  # starting, loading or waiting for its next start
    DOWN = "down"
    NO_KEY = "no-key"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class TierSpec:
    """What is fixed about a tier while the program runs.

    `provider` and `model` together are its full ref, split at the first slash. `model_upstream` is
    the name its server wants to hear (mlx-lm: `default_model`). `price` is None where nobody knows
    it, and then the tier is refused. `stream_always`: the upstream goes on generating when its
    caller leaves, or is the frontier, so it is always asked for a stream. Seconds are limits.
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

    @property
    def ref(self) -> str:
        """The full name: `provider/model`."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class TierFacts:
    """What is known about a tier at the moment of deciding; old as soon as it is read.

    `because` is one sentence for people: the cause of death, the missing key, the time it loads.
    """

    name: str
    state: TierState
    because: str = ""
    pid: int | None = None
    address: str = ""
