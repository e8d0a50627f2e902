"""What must be there before the first start: a configuration, engine environments, the model.

All of it can take minutes and needs the network, so it happens here, where a person sees it, and
not in the main process. The second time nothing is left to do and nothing is said.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from twotier.build import around
from twotier.build.programs import engine_for
from twotier.cli.output import say
from twotier.clock import SystemClock
from twotier.config import paths, starter
from twotier.config.load import Loaded
from twotier.config.schema import Config, TierConfig
from twotier.engines import environment, pinned
from twotier.engines.base import lock_path
from twotier.errors import EngineError
from twotier.models import discover
from twotier.models.starter import ensure
from twotier.packages import Installer, find_installer


def write_first(config: Path) -> None:
    """Write a configuration around what this machine has, and say what and where."""
    local = suggestion()
    if starter.write_starter(config, local):
        say(f"wrote {config}: change it as you like (`twotier init` asks what you want)")
        say(f"local tier: {local.said}")


def suggestion(places: Sequence[discover.Place] = discover.PLACES) -> starter.LocalModel:
    """A server that answers, else the largest model on disk that fits, else the starter."""
    return around.suggestion(asyncio.run(discover.servers(places)))


def prepare(loaded: Loaded) -> None:
    """Make what the tiers need and does not exist yet.

    What cannot be made is said, and the program starts all the same: the other tiers work.
    """
    installer = find_installer(bars=sys.stderr.isatty())
    for name, tier in kept(loaded.config).items():
        try:
            make(tier, installer)
        except EngineError as exc:
            say(f"tier {name} cannot be used yet: {exc.message}")


def make(tier: TierConfig, installer: Installer) -> None:
    """The environment of a tier's engine, and its model if it is the starter."""
    traits, where, clock = engine_for(tier).traits, paths.environments(), SystemClock()
    if traits.lock:
        pins = pinned.Pinned(lock_path(traits), where)
        environment.ensure(pins.in_force, where, installer=installer, clock=clock, say=say)
        pins.hold()
    if tier.model == "starter":
        ensure(paths.models(), installer=installer, say=say)


def kept(config: Config) -> dict[str, TierConfig]:
    """The tiers whose server twotier starts itself."""
    return {name: tier for name, tier in config.tiers.items() if tier.is_kept}
