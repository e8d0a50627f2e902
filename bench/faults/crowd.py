"""A thousand streams at once, a chunk a second each: whole, soon, and in how much memory?"""

from __future__ import annotations

from collections.abc import Iterator

import uvloop

from bench.crowd import PLAN, Seen, watched
from bench.faults.client import share
from bench.faults.stand import Stand
from bench.figures import Figure, Other
from bench.stage import MAIN

P99 = 0.99


def figures(stand: Stand, streams: int) -> Iterator[Figure]:
    """The direct call first: what is above it is added by whoever stands between."""
    stand.orders.give()
    direct = uvloop.run(watched(stand.direct, streams))
    seen: dict[str, Seen] = {}
    for side, _ in stand.of("chat"):
        with side.turn():
            seen[side.name] = uvloop.run(watched(side, streams))
    name = f"{streams:,} streams of {PLAN.chunks} chunks, one a second"
    whole = {who: float(one.whole) for who, one in seen.items()}
    yield figure(f"{name}: whole", f"{streams:,}", whole, ",.0f", "")
    least = p99(direct)
    added = {who: p99(one) - least for who, one in seen.items() if one.firsts_seconds}
    yield figure(f"{name}: first token added, p99", "<= 2 s", added, ".2f", " s")
    memory = {who: one.megabytes for who, one in seen.items()}
    yield figure(f"{name}: memory at the most", "<= 250 MB", memory, ".0f", " MB")


def p99(seen: Seen) -> float:
    """Seconds to the first word, of those that had one."""
    return share(seen.firsts_seconds, P99)


def figure(name: str, aim: str, values: dict[str, float], form: str, unit: str) -> Figure:
    """Ours and everybody's."""
    ours = values[MAIN]
    beside = {
        who: Other(ours / value if value > 0 else None, f"{value:{form}}{unit}")
        for who, value in values.items()
        if who != MAIN
    }
    return Figure(name, aim, f"{ours:{form}}{unit}", beside)
