"""Which models share a place in memory, as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping

from twotier.build.log import note_swap
from twotier.config.schema import Config
from twotier.domain.clock import Clock
from twotier.supervisor.standby import Place
from twotier.supervisor.swap import Terms


def places(config: Config, clock: Clock) -> Mapping[str, Place]:
    """The place of each tier that shares one; all other tiers have their memory to themselves."""
    found: dict[str, Place] = {}
    for home in dict.fromkeys(one.in_place_of for one in config.tiers.values()):
        if home is None:
            continue
        sharers = [home, *(name for name, one in config.tiers.items() if one.in_place_of == home)]
        terms = {name: terms_of(config, name) for name in sharers}
        place = Place(terms, home=home, clock=clock, told=note_swap)
        found.update(dict.fromkeys(sharers, place))
    return found


def terms_of(config: Config, name: str) -> Terms:
    """How one of them is loaded."""
    tier = config.tiers[name]
    return Terms(tier.swap == "on-request", tier.swap_back)
