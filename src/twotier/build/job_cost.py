"""What one run of a job would cost on each tier, from the prices alone: nobody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twotier.build import money
from twotier.build.tiers import shown_model
from twotier.clock import SystemClock
from twotier.config.load import Loaded
from twotier.config.template import Template
from twotier.domain.message import Usage
from twotier.ledger.cost import cost


@dataclass(frozen=True, slots=True)
class Load:
    """What a run usually reads and writes, over all of its model calls."""

    prompt_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, template: Template) -> Load:
        """What a run of a template's job usually takes."""
        calls = template.calls
        return cls(template.prompt_tokens * calls, template.output_tokens * calls)


@dataclass(frozen=True, slots=True)
class Cost:
    """What that comes to on a tier; None where nobody knows its price."""

    tier: str
    local: bool
    microusd: int | None


def costs(loaded: Loaded, load: Load) -> Iterator[Cost]:
    """For each tier of the configuration, local ones first."""
    book, today = money.prices(loaded), SystemClock().now().date()
    usage = Usage(input_tokens=load.prompt_tokens, output_tokens=load.output_tokens)
    tiers = sorted(loaded.config.tiers.items(), key=lambda pair: not pair[1].is_local)
    for name, tier in tiers:
        price = book.price(money.vendor_of(tier), shown_model(tier.model), on=today)
        free = price is None and tier.is_local
        microusd = 0 if free else None if price is None else cost(usage, price)
        yield Cost(name, tier.is_local, microusd)
