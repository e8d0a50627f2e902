"""What a kept server will take of memory when it is started: as it was sized, or smaller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from twotier.build.machine import memory_bytes
from twotier.build.shelves import bytes_on_disk
from twotier.build.sizing import Sized
from twotier.config.schema import TierConfig
from twotier.domain.memory import Footprint, headroom_bytes
from twotier.supervisor.policy import load_seconds
from twotier.supervisor.spec import Need

SERVER_BYTES = 300_000_000  # measured: 90 to 280 MB with small models
CACHE_SHARE = 10  # one part in ten of the weights, where nobody can read the model's shape


def load_limit(config: TierConfig, model: Path | None) -> float:
    """How long its server may take until its first token: as configured, or by the model's size."""
    return config.load_seconds or load_seconds(bytes_on_disk(model) if model else 0)


def by_weights(model: Path | None) -> Callable[[int], Need | None]:
    """Of a command of the owner's own, whose settings nobody here knows: the weights, and some."""

    def need(_: int) -> Need | None:
        weights = bytes_on_disk(model) if model else 0
        if not weights:
            return None
        predicted = Footprint(weights, weights // CACHE_SHARE, 0, 0, SERVER_BYTES)
        headroom = headroom_bytes(memory_bytes(), predicted)
        return Need(predicted.total_bytes, headroom, "by the size of the model's files")

    return need


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
