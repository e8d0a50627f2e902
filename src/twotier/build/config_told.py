"""The configuration as pages show it: is the file right, who said what, which secrets are there.

Read anew each time, because the question is what the next start would find; whether that is what
runs now is told beside it. All of it blocks for milliseconds: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from twotier.build.alerts import FIRST, TERMINAL, ways_of
from twotier.config.load import Loaded, load
from twotier.config.origins import settings
from twotier.config.secrets import how_to_set, places, resolve
from twotier.config.starter import FRONTIER_KEY
from twotier.domain.urls import shown_target
from twotier.errors import ConfigError


def config_told(running: Loaded) -> dict[str, Any]:
    """The file now, and whether the running program has what it says. `problem` is empty where it
    is valid; then `settings` are those of the file, else those in force.
    """
    problem, loaded = "", running
    try:
        loaded = load(running.path)
    except ConfigError as exc:
        problem = exc.message
    same = loaded.config == running.config
    try:
        rows = [asdict(one) | {"said": one.said} for one in settings(loaded)]
    except ConfigError as exc:  # a job's file that cannot be read: the problem names it already
        problem, rows = problem or exc.message, []
    return {
        "path": str(running.path),
        "problem": problem,
        "in_force": same and not problem,
        "state": str(running.paths.state),
        "settings": rows,
        "secrets": list(secrets_told(loaded)),
    }


def secrets_told(loaded: Loaded) -> Iterator[dict[str, Any]]:
    """Every secret that is named, by its place: is it there, and how it is set. Never its value."""
    named = [*places(loaded.config)]
    if any(tier.engine is None and tier.key is None for tier in loaded.config.tiers.values()):
        named.append(FRONTIER_KEY)
    for place in dict.fromkeys(named):
        because = ""
        try:
            there = resolve(place, home=loaded.home) is not None
        except ConfigError as exc:
            there, because = False, exc.message
        mend = "" if there else how_to_set(place, home=loaded.home)
        yield {"place": place, "there": there, "because": because, "mend": mend}


def channels_told(loaded: Loaded) -> list[dict[str, str]]:
    """Every channel by its name, where it leads as far as that may be shown, and what it hears of.
    Raises `ConfigError` for a secret that must not be used.
    """
    named = loaded.config.alerts.channels
    targets = {TERMINAL: "where twotier was started", FIRST: shown_target(loaded.config.alerts.to)}
    targets |= {name: shown_target(one.to) for name, one in named.items()}
    return [
        {"name": way.name, "to": targets[way.name], "least": way.least.value}
        for way in ways_of(loaded)
    ]
