"""All tables, one module after the other; one that is not there is skipped, aloud."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from bench.figures import Figure, missing
from bench.routing import SkippedError

MODULES = ("reason", "swe", "jobs", "length")


def figures() -> Iterator[Figure]:
    """What each says."""
    for name in MODULES:
        module = import_module(f"bench.routing.{name}")
        try:
            yield from module.figures()
        except SkippedError as exc:
            yield missing(f"routing, {name}", str(exc))
