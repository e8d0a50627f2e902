"""Who hears of each attempt's end: what counts it, its line in the log, its span."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from twotier.build.log import start_log
from twotier.build.tiers import ANTHROPIC_URL
from twotier.config.load import Loaded
from twotier.dispatch import Dispatch
from twotier.domain.clock import Clock
from twotier.domain.money import Attempt, Settlement
from twotier.domain.recorded import Ended
from twotier.domain.tier import TierState
from twotier.exchange import Tier
from twotier.learned.knowing import Knowing, Place
from twotier.learned.tiers import Learned
from twotier.say import fields
from twotier.telemetry.counts import Counts
from twotier.telemetry.spans import Spans

Told = Callable[[Attempt, Settlement], None]
LOGGER = "twotier.exchange"


class Telemetry:
    """The log of one main process, begun, and the listeners. `tiers` are filled in once built."""

    def __init__(self, loaded: Loaded, client_key: str, *, clock: Clock, learned: Learned) -> None:
        """Raises `ConfigError` where spans are wanted and their extra is missing."""
        self.lines = start_log(loaded, client_key)
        self.counts = Counts()
        self.learned = learned
        self.knowing = Knowing(learned, clock)
        self.spans: Spans | None = None
        self.tiers: Mapping[str, Tier] = {}
        self._loaded = loaded
        if endpoint := loaded.config.telemetry.otlp_endpoint:
            self.spans = Spans(endpoint, server=self.server, clock=clock)
        self.told = tuple(self.listeners())

    def listeners(self) -> Iterator[Told]:
        """Each hears (attempt, settlement) and must not wait."""
        yield self.counts
        yield self.learned.speeds
        yield self.learned.verdicts
        yield self.learned.caches
        yield self.learned.sizes
        yield self.knowing.sessions
        yield self.knowing.paces
        yield self.learned.records
        if logging.getLogger(LOGGER).isEnabledFor(logging.INFO):
            yield lambda attempt, end: self.lines.note(LOGGER, "asked", fields=fields(attempt, end))
        if self.spans is not None:
            yield self.spans

    def know(self, dispatch: Dispatch) -> None:
        """These are the tiers there are, and what is decided from now on is decided knowingly."""
        self.tiers = dispatch.tiers
        self.knowing.places = {
            name: Place(tier.spec, partial(is_up, tier), partial(line_seconds, tier))
            for name, tier in dispatch.tiers.items()
            if not tier.spec.standby
        }
        dispatch.deciding.knowledge = self.knowing

    def seconds(self, tier: str, like: Ended) -> float | None:
        """How long an answer of as many tokens would take there now; None where nobody knows."""
        seen = self.learned.speeds.predict(
            tier, like.prompt_tokens, output_tokens=like.output_tokens, up=True
        )
        return None if seen is None else seen.seconds

    def server(self, tier: str) -> str:
        """The base address of a tier's server: the configured one, or where it is kept now."""
        config = self._loaded.config.tiers[tier]
        if config.base_url or config.engine is None:
            return config.base_url or ANTHROPIC_URL
        return self.tiers[tier].facts().address if tier in self.tiers else ""

    def close(self) -> None:
        """Send the last spans; blocks for two seconds at most."""
        if self.spans is not None:
            self.spans.close()


def is_up(tier: Tier) -> bool:
    """Whether its server need not be loaded first."""
    return tier.facts().state is not TierState.COMING_UP


def line_seconds(tier: Tier) -> float:
    """How long one more request would wait for a slot of the tier now."""
    return tier.slots.wait_seconds() if tier.slots is not None else 0.0
