"""What a kept server will take of memory when it is started: as it was sized, or smaller."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twotier.build.flags import Flags, flags_of
from twotier.build.machine import memory_bytes
from twotier.build.shelves import bytes_on_disk
from twotier.build.sizing import PARALLEL, Sized
from twotier.config.schema import TierConfig
from twotier.domain.memory import HEADROOM_PERCENT, Footprint, headroom_bytes
from twotier.errors import EngineError
from twotier.models.describe import describe
from twotier.models.estimate import Model, Plan, costs_of, footprint
from twotier.models.verdict import gigabytes
from twotier.supervisor.policy import load_seconds
from twotier.supervisor.spec import Need

SERVER_BYTES = 300_000_000  # measured: 90 to 280 MB with small models
KV_USUAL_BYTES = 2.0
CACHE_SHARE = 10  # one part in ten of the weights, where nobody can read the model's shape


def load_limit(config: TierConfig, model: Path | None) -> float:
    """How long its server may take until its first token: as configured, or by the model's size."""
    return config.load_seconds or load_seconds(bytes_on_disk(model) if model else 0)


@dataclass(slots=True)
class Commanded:
    """What the owner's own command will take. `model` None: its files are not on this disk.

    Where it or the configuration states a window and the model can be read, that is counted with
    its caches as narrow as it says; else it is the weights, and some. Blocking: it reads headers.
    """

    config: TierConfig
    model: Path | None
    engine: str
    last: Need | None = None  # as it was counted before its start

    @property
    def flags(self) -> Flags:
        """What its options say."""
        return flags_of(self.engine, self.config.command, env=self.config.command_env)

    def need(self, _: int = 0) -> Need | None:
        """Asked before each start; the command has one size."""
        counted = self.counted()
        if counted is None:
            return None
        predicted, text = counted
        percent = self.config.headroom_percent
        percent = HEADROOM_PERCENT if percent is None else percent
        headroom = headroom_bytes(memory_bytes(), predicted, percent=percent)
        self.last = Need(predicted.total_bytes, headroom, text)
        return self.last

    def counted(self) -> tuple[Footprint, str] | None:
        """The bytes, and of what."""
        weights = bytes_on_disk(self.model) if self.model else 0
        if not weights or self.model is None:
            return None
        window = self.flags.window_tokens or self.config.window_tokens
        with suppress(EngineError):
            if window:
                return self.full(describe(self.model), window)
        narrow = (self.flags.kv_element_bytes or KV_USUAL_BYTES) / KV_USUAL_BYTES
        cache = int(weights // CACHE_SHARE * narrow)
        return Footprint(weights, cache, 0, 0, SERVER_BYTES), "by the size of the model's files"

    def full(self, model: Model, window: int) -> tuple[Footprint, str]:
        """With every cache as full as it may be."""
        flags, costs = self.flags, costs_of(self.engine, metal=sys.platform == "darwin")
        if flags.kv_element_bytes and window > flags.narrow_from_tokens:
            costs = replace(costs, kv_element_bytes=flags.kv_element_bytes)
        ours = self.config.parallel or PARALLEL
        parallel = (flags.parallel or 1) if costs.kv_reserved else min(ours, flags.parallel or ours)
        cache = flags.prompt_cache_bytes
        cache = model.weights_bytes // CACHE_SHARE if cache is None else cache
        plan = Plan(window, 1 if flags.alone else parallel, cache)
        found = footprint(model, costs, plan=plan)
        narrow = costs.kv_element_bytes or model.element_bytes
        text = f"{window:,} tokens x {plan.parallel}, caches of {narrow * 8:.3g} bits"
        return found, text

    def told(self) -> Mapping[str, Any]:
        """For `twotier status`."""
        need = self.last
        if need is None:
            return {"text": "memory not known: its model's files were not found here"}
        return {
            "predicted_bytes": need.total_bytes,
            "headroom_bytes": need.headroom_bytes,
            "text": f"{need.text}; {gigabytes(need.total_bytes)} predicted",
        }


def need_of(sized: Sized) -> Callable[[int], Need | None]:
    """Asked before each start, with how often its caches are halved: what was seen may differ."""

    def need(level: int) -> Need | None:
        smaller = replace(sized, settings=sized.settings.smaller(level))
        if (predicted := smaller.predicted) is None:
            weights = bytes_on_disk(sized.path)
            predicted = Footprint(weights, weights // CACHE_SHARE, 0, 0, SERVER_BYTES)
        room = sized.room
        headroom = headroom_bytes(room.memory_bytes, predicted, percent=room.percent)
        return Need(predicted.total_bytes, headroom, smaller.text())

    return need
