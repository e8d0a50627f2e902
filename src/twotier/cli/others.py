"""Who else holds models in memory here: Ollama and LM Studio, asked where they usually listen, and
every server of the configuration that can be asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from twotier.build.shelves import shelves
from twotier.config.load import Loaded
from twotier.config.values import at_home
from twotier.engines.asked import held
from twotier.engines.base import engine
from twotier.engines.questions import Held
from twotier.models.shelf import lookup
from twotier.models.verdict import Other

USUAL = ("ollama", "lmstudio")
SECONDS_MAX = 0.5


def others(loaded: Loaded | None) -> tuple[Other, ...]:
    """Their models, the largest first."""
    found = [
        Other(f"{one.model} in {name}", size_of(one))
        for name, base_url in places(loaded)
        for one in held(engine(name).traits, base_url, seconds=SECONDS_MAX) or ()
    ]
    return tuple(sorted(set(found), key=lambda other: -other.total_bytes))


def places(loaded: Loaded | None) -> Iterator[tuple[str, str]]:
    """Engine and address of each server that may tell, once."""
    seen: set[str] = set()
    tiers = loaded.config.tiers.values() if loaded else ()
    configured = [(tier.engine, tier.base_url) for tier in tiers if tier.engine and tier.base_url]
    for name, base_url in (*((name, engine(name).traits.base_url) for name in USUAL), *configured):
        place = base_url.removesuffix("/").removesuffix("/v1")
        if place not in seen and at_home(base_url) and engine(name).traits.held:
            seen.add(place)
            yield name, base_url


def size_of(one: Held) -> int:
    """Its memory as its server tells it, else the size of its files where they are found."""
    if one.bytes is not None:
        return one.bytes
    found = lookup(one.model, shelves().found())
    return found.size_bytes if found else 0
