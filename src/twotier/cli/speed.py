"""`twotier models speed`: how fast each tier is, learned from its own answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from twotier.cli.output import emit, show
from twotier.cli.peers import main_of


def speed(config: Path, *, as_json: bool) -> int:
    """Ask main, print. Raises `NotRunningError` when nobody answers."""
    tiers = main_of(config).get("/control/status")["tiers"]
    speeds = [tier["speed"] for tier in tiers]
    if as_json:
        emit({"speeds": speeds})
        return 0
    for one in speeds:
        print(heading(one))
        show(rows(one))
    return 0


def heading(one: Mapping[str, Any]) -> str:
    """The tier, its model, the version of its server, and what has no depth."""
    known = {
        "{:.0%} of prompts from the cache": one["cached_share"],
        "loads in {:.1f} s": one["load_seconds"],
        "waits {:.2f} s for its turn": one["queue_seconds"],
        "prompts are estimated to {:.0%}, nine in ten": one["tokens"]["error_p90"],
    }
    told = [text.format(value) for text, value in known.items() if value is not None]
    named = " ".join(part for part in (one["model"], one["version"]) if part)
    said = ", ".join(told) or "nothing learned yet"
    return f"{one['tier']} ({named}): {said}; {one['answers']} answers"


def rows(one: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """One line for each depth that was seen."""
    for depth in one["depths"]:
        yield (
            f"  prompt of {depth['depth']}",
            rate("reads", depth, of="prefill"),
            rate("writes", depth, of="decode"),
        )


def rate(verb: str, depth: Mapping[str, Any], *, of: str) -> str:
    """A rate and how often it was seen."""
    value, count = depth[f"{of}_tokens_per_second"], depth[f"{of}_count"]
    return f"{verb} {value:.1f} tokens/s ({count})" if value is not None else f"{verb} ?"
