"""How large a kept server may become: its settings where the owner set none, and what it needs.

A choice is remembered with what it was made for, and kept as long as it fits: what was seen of the
model changes the prediction a little each time, and a server that lives must not be replaced for
that.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twotier.build.machine import gpu_bytes, held_bytes, memory_bytes, peak_bytes
from twotier.build.shelves import model_path, other_models
from twotier.config.load import Loaded
from twotier.config.schema import TierConfig
from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.domain.memory import HEADROOM_PERCENT, Footprint, headroom_bytes
from twotier.engines.base import Settings, Traits
from twotier.errors import EngineError
from twotier.models.choice import Room, Wishes, choose
from twotier.models.describe import describe
from twotier.models.estimate import Costs, Model, Plan, costs_of, footprint
from twotier.models.seen import Seen, SeenFile, seen_after_load, seen_at_peak
from twotier.models.verdict import gigabytes

PARALLEL = 2  # of a model whose files say nothing
Ready = Callable[[Endpoint], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sized:
    """The settings of one tier's server. `model` None: its files cannot be read, for `why`."""

    path: Path
    settings: Settings
    file: SeenFile
    key: str
    room: Room
    costs: Costs
    model: Model | None = None
    why: str = ""

    @property
    def plan(self) -> Plan:
        """The settings as far as they decide about memory."""
        chosen = self.settings
        return Plan(chosen.window_tokens, chosen.parallel, chosen.prompt_cache_bytes or 0)

    @property
    def predicted(self) -> Footprint | None:
        """What it will need at its fullest, corrected by what was seen; None if nobody can say."""
        if self.model is None:
            return None
        need = footprint(self.model, self.costs, plan=self.plan)
        return need.corrected(self.file.get(self.key).correction_bytes)

    @property
    def headroom_bytes(self) -> int:
        """What has to stay free beside it."""
        need = self.predicted
        if need is None:
            return 0
        return headroom_bytes(self.room.memory_bytes, need, percent=self.room.percent)

    def fitted(self, config: TierConfig) -> TierConfig:
        """The tier's configuration with what was chosen where it names nothing."""
        chosen = {"window_tokens": self.plan.window_tokens, "parallel": self.plan.parallel}
        return config.model_copy(update=chosen)

    def text(self) -> str:
        """The settings for people, with the sum."""
        plan, need = self.plan, self.predicted
        cache = f", prompt cache {gigabytes(plan.prompt_cache_bytes)}"
        said = f"{plan.window_tokens:,} tokens x {plan.parallel}"
        if need is None:
            return f"{said}; memory not known: {self.why}"
        seen = self.file.get(self.key).peak_seen
        highest = f", {gigabytes(seen)} seen" if seen else ""
        return f"{said}{cache}; {gigabytes(need.total_bytes)} predicted{highest}"

    def told(self) -> Mapping[str, Any]:
        """For `twotier status`."""
        need, seen = self.predicted, self.file.get(self.key)
        return {
            "window_tokens": self.plan.window_tokens,
            "parallel": self.plan.parallel,
            "prompt_cache_bytes": self.plan.prompt_cache_bytes,
            "predicted_bytes": need.total_bytes if need else None,
            "headroom_bytes": self.headroom_bytes,
            "loaded_bytes_seen": seen.loaded_seen or None,
            "peak_bytes_seen": seen.peak_seen or None,
            "text": self.text(),
        }


def size(
    name: str, config: TierConfig, *, loaded: Loaded, traits: Traits, writes: bool = True
) -> Sized:
    """The settings of a tier's server. Raises `EngineError` for a model that is not here."""
    path = model_path(config.model, loaded)
    file = SeenFile(loaded.paths.memory, writes=writes)
    costs = costs_of(traits.name, metal=sys.platform == "darwin")
    key = f"{traits.name}:{path}"
    seen = file.get(key)
    room = Room(
        memory_bytes(),
        gpu_bytes=gpu_bytes(),
        reserved_bytes=other_models(name, loaded),
        percent=HEADROOM_PERCENT if config.headroom_percent is None else config.headroom_percent,
        correction_bytes=seen.correction_bytes,
    )
    wishes = Wishes(config.window_tokens, config.parallel, config.prompt_cache_bytes)
    model, why = described(path, traits)
    if model is None:
        settings = Settings(
            wishes.window_tokens or traits.window_tokens_default,
            wishes.parallel or PARALLEL,
            wishes.prompt_cache_bytes,
        )
        return Sized(path, settings, file, key, room, costs, why=why)
    plan = kept_plan(model, costs, room=room, wishes=wishes, seen=seen)
    if plan is None:
        plan = choose(model, costs, room=room, wishes=wishes)
        file.put(key, replace(seen, chosen=chosen(plan, room=room, wishes=wishes)))
    settings = Settings(plan.window_tokens, plan.parallel, plan.prompt_cache_bytes)
    return Sized(path, settings, file, key, room, costs, model)


def described(path: Path, traits: Traits) -> tuple[Model | None, str]:
    """The model, or why its memory cannot be told."""
    if traits.sizes_itself:
        return None, f"{traits.name} takes a share of the GPU's memory by a setting of its own"
    try:
        return describe(path), ""
    except EngineError as exc:
        return None, exc.message


def kept_plan(model: Model, costs: Costs, *, room: Room, wishes: Wishes, seen: Seen) -> Plan | None:
    """The choice of the last time, if it was made for the same and still fits."""
    last = seen.chosen
    if not all(isinstance(last.get(name), int) for name in PLAN_FIELDS):
        return None
    plan = Plan(**{name: last[name] for name in PLAN_FIELDS})
    same = last == chosen(plan, room=room, wishes=wishes)
    return plan if same and room.takes(model, costs, plan=plan) else None


PLAN_FIELDS = ("window_tokens", "parallel", "prompt_cache_bytes")


def chosen(plan: Plan, *, room: Room, wishes: Wishes) -> dict[str, Any]:
    """A choice with what it was made for, as plain values."""
    return {
        **{name: getattr(plan, name) for name in PLAN_FIELDS},
        **{f"wished_{name}": getattr(wishes, name) for name in PLAN_FIELDS},
        "memory_bytes": room.memory_bytes,
        "reserved_bytes": room.reserved_bytes,
        "headroom_percent": room.percent,
    }


@dataclass(slots=True)
class Witness:
    """Writes down what a server's process holds: after its first token, and at its highest.

    It looks when the keeper asks for a token, so a busy server's peak is read when it rests.
    `level` tells how often the caches of the one that runs were halved at its start.
    """

    sized: Sized
    pid: Callable[[], int | None]
    clock: Clock
    level: Callable[[], int] = lambda: 0
    _known: int | None = None

    def watching(self, ready: Ready) -> Ready:
        """The same question, and a look after each answer."""

        async def asked(endpoint: Endpoint) -> None:
            await ready(endpoint)
            if pid := self.pid():
                await asyncio.to_thread(self.look, pid)

        return asked

    def look(self, pid: int) -> None:
        """Blocking. A process that is gone, or not ours to look at, is not seen."""
        running = replace(self.sized, settings=self.sized.settings.smaller(self.level()))
        file, key, need = running.file, running.key, running.predicted
        held = held_bytes(pid)
        if need is None or not held:
            return
        before = file.get(key)
        if pid == self._known:
            after = seen_at_peak(before, peak_bytes(pid) or held)
        else:
            at = self.clock.now().isoformat(timespec="seconds")
            after = seen_after_load(before, need, held_bytes=held, at=at)
        self._known = pid
        if after != before:
            file.put(key, after)
