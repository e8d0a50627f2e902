"""What twotier adds to a request: CPU time of its main process, and latency.

In one run, in turn: the upstream itself, the bare stack, the peers, twotier. So the neighbours on
the machine disturb all alike, and the ratios hold where the absolute figures do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import peers
from bench.bodies import agent, small
from bench.compare import (
    ADDED,
    CHUNKS,
    CPU,
    FIRST,
    MILLI,
    RATE,
    Scene,
    Shots,
    figure,
    paired,
    play,
    warm,
)
from bench.crowd import crowd
from bench.figures import Figure
from bench.load import Load
from bench.stage import staged
from bench.upstream import CHUNKS as WORDS
from bench.upstream import PLANS

MANY = 1_000_000
SECONDS = 0.3
ONE = Load(MANY, 1, SECONDS, warm=16)
BUSY = Load(MANY, 32, SECONDS, warm=64)
STREAMS = replace(BUSY, words=WORDS)
PACED = replace(ONE, words=PLANS["paced"].chunks)
LONG = Load(1, words=PLANS["long"].chunks)

message = partial(small, messages=True)
stream = partial(small, stream=True)
message_stream = partial(message, stream=True)
paced = partial(stream, plan="paced")
long = partial(stream, plan="long")
message_long = partial(message_stream, plan="long")

SCENES = (
    Scene("one", "chat", small, ONE),
    Scene("busy", "chat", small, BUSY),
    Scene("auto", "auto", small, BUSY),
    Scene("agent", "agent", agent, ONE),
    Scene("stream", "chat", stream, STREAMS),
    Scene("paced", "chat", paced, PACED),
    Scene("long", "chat", long, LONG),
    Scene("long, messages", "messages", message_long, LONG),
    Scene("long, chat from messages", "chat_on_messages", long, LONG),
    Scene("long, messages from chat", "messages_on_chat", message_long, LONG),
    Scene("messages", "messages", message, BUSY),
    Scene("messages from chat", "messages_on_chat", message, BUSY),
    Scene("chat from messages", "chat_on_messages", small, BUSY),
    Scene("stream, messages", "messages", message_stream, STREAMS),
    Scene("stream, messages from chat", "messages_on_chat", message_stream, STREAMS),
    Scene("stream, chat from messages", "chat_on_messages", stream, STREAMS),
    Scene("priced", "priced", small, BUSY),
    Scene("priced, one", "priced", small, ONE),
)


def figures(folder: Path) -> Iterator[Figure]:
    """All of them: four minutes, twice as long with all peers."""
    with staged(folder, peers.started) as stage:
        yield from peers.told(stage.troupe)
        warm(stage, SCENES)
        seen = play(stage, SCENES)
        yield from relayed(seen)
        yield from streams(seen)
        yield from translated(seen)
        yield from priced(seen)
        yield from crowd(stage)
        yield Figure("main after all this", "", f"{stage.main.rss_megabytes():.0f} MB")


def relayed(seen: Mapping[str, Shots]) -> Iterator[Figure]:
    """Without a stream."""
    yield figure(seen["one"], CPU, name="relayed, one at a time: CPU", aim="<= 150 us")
    yield figure(seen["one"], ADDED, name="relayed, one at a time: added p50", aim="<= 0.25 ms")
    yield figure(seen["busy"], CPU, name="relayed, 32 at a time: CPU", aim="<= 150 us")
    yield figure(seen["busy"], RATE, name="relayed, 32 at a time: requests", aim=">= 6,000/s")
    name = "decided by the router, answer looked at, 32 at a time: CPU"
    yield figure(seen["auto"], CPU, name=name)
    yield figure(seen["agent"], CPU, name="83 KB agent request: CPU", aim="<= 450 us")
    yield figure(seen["agent"], ADDED, name="83 KB agent request: added p50")


def streams(seen: Mapping[str, Shots]) -> Iterator[Figure]:
    """With one."""
    name = f"stream of {WORDS} chunks, 32 at a time"
    yield figure(seen["stream"], CPU, name=f"{name}: CPU", aim="<= 500 us")
    yield figure(seen["paced"], FIRST, name="paced stream: first word added p50", aim="<= 0.5 ms")
    yield figure(
        seen["long"], CHUNKS, name="one long stream, relayed: chunks a core", aim=">= 20,000/s"
    )
    for scene, what in (
        ("long, messages", "Messages relayed"),
        ("long, chat from messages", "chat from Messages"),
        ("long, messages from chat", "Messages from chat"),
    ):
        aim = ">= 20,000/s" if "relayed" in what else ">= 8,000/s"
        yield figure(seen[scene], CHUNKS, name=f"one long stream, {what}: chunks a core", aim=aim)


def translated(seen: Mapping[str, Shots]) -> Iterator[Figure]:
    """Against the same relayed: what the client speaks stays the same."""
    for scene, same, what in (
        ("messages from chat", "messages", "Messages from chat"),
        ("stream, messages from chat", "stream, messages", "streamed Messages from chat"),
        ("stream, chat from messages", "stream", "streamed chat from Messages"),
    ):
        cost = figure(seen[scene], CPU, name=f"translated, {what}: CPU", aim="<= 2 x relayed")
        times = paired(seen[scene], seen[same], lambda run, base: run.cpu_micro / base.cpu_micro)
        yield replace(cost, seen=f"{cost.seen}, {times:.2f} x relayed")
    name = "frontier asked whole: streamed, put together: CPU"
    yield figure(seen["chat from messages"], CPU, name=name)


def priced(seen: Mapping[str, Shots]) -> Iterator[Figure]:
    """Reserved and settled on disk, by commits that requests share."""
    for scene, same, what in (
        ("priced, one", "one", "one at a time"),
        ("priced", "busy", "32 at a time"),
    ):
        cost = figure(seen[scene], CPU, name=f"priced tier, {what}: CPU")
        more = paired(seen[scene], seen[same], lambda run, base: run.cpu_micro - base.cpu_micro)
        wait = paired(seen[scene], seen[same], lambda run, base: run.p50_seconds - base.p50_seconds)
        told = f"{cost.seen}; {more:.0f} us and {wait * MILLI:.2f} ms p50 more than a free one"
        yield replace(cost, seen=told)
