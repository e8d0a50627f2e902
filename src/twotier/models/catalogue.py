"""Models known before they are fetched: a dated file in the package, with its sources."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.models.estimate import Model
from twotier.models.shape_config import of_config

FILE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One model. `hub` is what `twotier models pull` fetches: a repository, `:` a quantisation."""

    name: str
    also: tuple[str, ...]
    hub: str
    engine: str
    model: Model


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All of them."""
    raw = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(_entry(row, raw["checked"]) for row in raw["models"])


def find(name: str) -> Entry | None:
    """The model of that name, one of its other names, or its place on the hub."""
    wanted = _plain(name)
    for entry in entries():
        names = (entry.name, *entry.also, entry.hub, entry.hub.partition(":")[0])
        if wanted in map(_plain, names):
            return entry
    return None


def _plain(name: str) -> str:
    return "-".join(name.lower().replace("_", "-").split())


def _entry(row: Mapping[str, Any], checked: str) -> Entry:
    origin = f"the catalogue of {checked}: {row['quantisation']}, {row['source']}"
    model = Model(
        name=row["name"],
        weights_bytes=row["weights_bytes"],
        shape=of_config(row["config"]),
        origin=origin,
        licence=row["licence"],
    )
    return Entry(row["name"], tuple(row["also"]), row["hub"], row["engine"], model)
