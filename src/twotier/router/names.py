"""What a model name means: `auto`, a tier, an alias, or `provider/model` split at the first slash.

A bare vendor id (`claude-opus-4-6`) means the tier that has it. A vendor id that nobody configured
passes through the tier of that provider, if it has a price: coding clients ask for small models by
themselves. Anything else is unknown, and unknown is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twotier.domain.decision import Option
from twotier.domain.tier import TierSpec

AUTO = "auto"
VENDOR_PREFIXES = {"claude-": "anthropic"}


@dataclass(frozen=True, slots=True)
class Names:
    """Everything a model name can mean here. `priced` tells if a vendor's model has a price."""

    tiers: Sequence[TierSpec]
    aliases: Mapping[str, str]
    priced: Callable[[str, str], bool]

    def resolve(self, asked: str) -> Option | None:
        """The option a name stands for; None if it is unknown. `auto` is not a name."""
        name = self.aliases.get(asked, asked)
        for tier in self.tiers:
            if name in (tier.name, tier.ref, tier.model, f"{tier.name}/{tier.model}"):
                return Option(tier.name)
        provider, slash, model = name.partition("/")
        if not slash:
            provider, model = vendor_of(name), name
        for tier in self.tiers:
            # Only an API serves models by name; a local server has loaded what it has loaded.
            if tier.provider == provider and not tier.local and self.priced(provider, model):
                return Option(tier.name, model)
        return None

    def known(self) -> tuple[str, ...]:
        """The names to offer when one is unknown, shortest first."""
        return (AUTO, *(tier.name for tier in self.tiers), *self.aliases)


def vendor_of(model: str) -> str:
    """The provider a bare vendor id belongs to, or an empty string."""
    for prefix, provider in VENDOR_PREFIXES.items():
        if model.startswith(prefix):
            return provider
    return ""
