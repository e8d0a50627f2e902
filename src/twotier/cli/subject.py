"""Which model a name means: a tier, a path, one on this disk, one of the catalogue, one on the hub.

In this order, so that what can be read here is never asked for elsewhere.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from twotier.build.machine import gpu_bytes, held_bytes, memory_bytes
from twotier.build.programs import engine_for
from twotier.build.shelves import STARTER, shelves
from twotier.build.sizing import size
from twotier.cli.processes import engines_alive
from twotier.config.load import Loaded, load
from twotier.config.paths import models
from twotier.errors import EngineError, UsageError
from twotier.models import catalogue, hub, starter
from twotier.models.choice import Room, Wishes
from twotier.models.describe import describe
from twotier.models.estimate import Costs, Model, costs_of
from twotier.models.pull import order
from twotier.models.seen import Seen, SeenFile
from twotier.models.shelf import lookup


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with the engine that would serve it, and what is known of this machine about it.

    `tier` is empty where no tier of the configuration was named. `held_bytes`: its server runs
    and holds so much already. `note` is for people.
    """

    model: Model
    engine: str
    wishes: Wishes = field(default_factory=Wishes)
    seen: Seen = field(default_factory=Seen)
    tier: str = ""
    percent: int | None = None
    reserved_bytes: int = 0
    held_bytes: int = 0
    note: str = ""

    def costs(self, *, elsewhere: bool) -> Costs:
        """What the engine costs here; of another machine with MLX it is known that it is a Mac."""
        mac = sys.platform == "darwin" or (elsewhere and self.engine == "mlx_lm")
        return costs_of(self.engine, metal=mac)

    def room(self, memory: int | None) -> Room:
        """What this machine has for it, or another one with that memory."""
        base = Room(memory or memory_bytes())
        return Room(
            base.memory_bytes,
            reserved_bytes=0 if memory else self.reserved_bytes,
            gpu_bytes=None if memory else gpu_bytes(),
            percent=base.percent if self.percent is None else self.percent,
            correction_bytes=self.seen.correction_bytes,
        )


def find(name: str, config: Path) -> Subject:
    """The model of that name. Raises `EngineError` where nobody knows it."""
    loaded = configuration(config)
    if loaded and (tier := tier_called(name, loaded)):
        return of_tier(tier, loaded)
    if name == STARTER and (file := starter.present(models())):
        return of_path(file, loaded=loaded)
    path = Path(name).expanduser()
    if path.exists() and (path.is_dir() or path.is_file()):
        return of_path(path.absolute(), loaded=loaded)
    if found := lookup(name, shelves().found()):
        return of_path(found.path, loaded=loaded, engine_name=found.engine)
    if hub.REPO.match(name.partition(":")[0]):
        return of_hub(name)
    if entry := catalogue.find(name):
        return Subject(entry.model, entry.engine)
    known = ", ".join(one.also[0] for one in catalogue.entries())
    raise EngineError(
        f"there is no model {name!r}: name a tier, a path, a model of `twotier models list`, one of"
        f" the hub (OWNER/NAME), or one of {known}"
    )


def tier_called(name: str, loaded: Loaded) -> str:
    """The tier of that name or alias, or whose model the configuration calls so; else nothing."""
    name = loaded.config.aliases.get(name, name)
    if name in loaded.config.tiers:
        return name
    return next((tier for tier, one in loaded.config.tiers.items() if one.model == name), "")


def configuration(config: Path) -> Loaded | None:
    """The configuration where there is one. Raises `ConfigError` for one that is wrong."""
    return load(config) if config.exists() else None


def of_tier(name: str, loaded: Loaded) -> Subject:
    """A tier's model, with its own settings and what was seen of it."""
    tier = loaded.config.tiers[name]
    if not tier.engine:
        raise UsageError(f"{name} is not on this machine, so it needs no memory here")
    if not tier.is_kept:
        raise UsageError(f"the server of {name} is not ours to start: its own program decides")
    sized = size(name, tier, loaded=loaded, traits=engine_for(tier).traits, writes=False)
    if sized.model is None:
        raise EngineError(sized.why)
    plan = sized.plan
    return Subject(
        sized.model,
        tier.engine,
        Wishes(plan.window_tokens, plan.parallel, plan.prompt_cache_bytes),
        sized.file.get(sized.key),
        name,
        tier.headroom_percent,
        sized.room.reserved_bytes,
        running_bytes(name, loaded),
    )


def running_bytes(name: str, loaded: Loaded) -> int:
    """What the tier's server holds now, if it runs."""
    for file, process in engines_alive(loaded.paths):
        if file.stem == name:
            return held_bytes(process.pid)
    return 0


def of_path(path: Path, *, loaded: Loaded | None, engine_name: str = "") -> Subject:
    """A model on this disk."""
    kind = engine_name or ("mlx_lm" if path.is_dir() else "llama_cpp")
    file = SeenFile(loaded.paths.memory, writes=False) if loaded else None
    return Subject(describe(path), kind, seen=file.get(f"{kind}:{path}") if file else Seen())


def of_hub(name: str) -> Subject:
    """A model on the hub; the catalogue answers where the hub does not."""
    repo_name, _, wanted = name.partition(":")
    try:
        there = hub.here()
        wish = order(there.repo(repo_name), wanted)
        return Subject(hub.describe(there, wish.repo, files=wish.files), wish.engine)
    except EngineError as exc:
        if entry := catalogue.find(name):
            return Subject(entry.model, entry.engine, note=f"{exc.message}; so from the catalogue")
        raise


def memory_of(text: str) -> int:
    """`256GB` as machines are sold, in powers of two. Raises `UsageError`."""
    digits = text.strip().upper().removesuffix("IB").removesuffix("B")
    unit = {"T": 1024**4, "G": 1024**3, "M": 1024**2}.get(digits[-1:], 0)
    try:
        number = float(digits[:-1])
    except ValueError:
        number = 0.0
    if not unit or not 0 < number * unit < 2**50:
        raise UsageError(f"{text!r} is no amount of memory; say for example --memory 256GB")
    return int(number * unit)
