"""What twotier adds to a request: CPU time of its main process, and latency.

In one run, in turn: the upstream itself, the bare stack (`peer`), twotier. So the neighbours on the
machine disturb all three alike, and the ratios hold where the absolute figures do not.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.bodies import agent, small
from bench.figures import Figure, median, spread
from bench.load import Run, Target, drive
from bench.processes import cpu_seconds, rss_megabytes
from bench.service import Service, accepts, free_port, played_cache, until
from bench.upstream import CHUNKS
from tests.fakes.anthropic_api import FakeAnthropic

HERE = Path(__file__).parent
ROUNDS = 7
MICRO = 1e6
MILLI = 1e3

CONFIGURATION = """
[tiers.local]
engine = "llama_cpp"
model = "./bench.gguf"
window_tokens = 65536

[tiers.other]
engine = "openai"
model = "bench-other"
base_url = "http://127.0.0.1:{upstream_port}"

[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "{anthropic}"
key = "env:FRONTIER_KEY"

[[budgets]]
period = "day"
limit_usd = 100000
"""


@dataclass(frozen=True, slots=True)
class Shot:
    """One run and what it cost a process in CPU time, per request."""

    run: Run
    cpu_micro: float


@dataclass(frozen=True, slots=True)
class Side:
    """Somebody who answers; `pid` None where its CPU time does not matter."""

    target: Target
    pid: int | None = None

    def shoot(self, body: bytes, *, requests: int, connections: int = 1) -> Shot:
        """Send so many requests."""
        before = cpu_seconds(self.pid) if self.pid else 0.0
        run = uvloop.run(drive(self.target, body, requests=requests, connections=connections))
        used = (cpu_seconds(self.pid) if self.pid else 0.0) - before
        return Shot(run, used / len(run.latencies_seconds) * MICRO)


@dataclass(frozen=True, slots=True)
class Stage:
    """The three that are compared, warm."""

    direct: Side
    peer: Side
    main: Side


@contextlib.contextmanager
def script(name: str, *arguments: int) -> Iterator[subprocess.Popen[bytes]]:
    """One of the bench's own servers; the first argument is its port."""
    command = (sys.executable, str(HERE / name), *map(str, arguments))
    with subprocess.Popen(command) as process:
        try:
            until(lambda: accepts(arguments[0]), what=name)
            yield process
        finally:
            process.terminate()


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Everything started, everything ended."""
    upstream_port, peer_port = free_port(), free_port()
    (folder / "bench.gguf").touch()
    with (
        script("upstream.py", upstream_port),
        script("peer.py", peer_port, upstream_port) as peer,
        FakeAnthropic() as fake,
        Service(
            folder,
            CONFIGURATION.format(upstream_port=upstream_port, anthropic=fake.base_url),
            module="bench.main",
            cache=played_cache(folder / "cache"),
        ) as service,
    ):
        service.wait_ready("local", "frontier")
        yield Stage(
            Side(Target(upstream_port)),
            Side(Target(peer_port), peer.pid),
            Side(Target(service.port, key=service.key), service.pid),
        )


def figures(folder: Path) -> Iterator[Figure]:
    """All of them; about a minute."""
    with staged(folder) as stage:
        for side in (stage.direct, stage.peer, stage.main):
            side.shoot(small("auto"), requests=500)
        yield from whole(stage)
        yield from busy(stage)
        yield from long_body(stage)
        yield from streamed(stage)
        yield from others(stage)
        assert stage.main.pid is not None
        yield Figure("main after all this", "", f"{rss_megabytes(stage.main.pid):.0f} MB")


def in_turn(
    stage: Stage, body: Callable[[Side], bytes], *, requests: int, connections: int = 1
) -> tuple[list[Shot], list[Shot], list[Shot]]:
    """`ROUNDS` rounds of direct, peer, main."""
    rounds = [
        [
            side.shoot(body(side), requests=requests, connections=connections)
            for side in (stage.direct, stage.peer, stage.main)
        ]
        for _ in range(ROUNDS)
    ]
    direct, peer, main = zip(*rounds, strict=True)
    return list(direct), list(peer), list(main)


def added(over: list[Shot], under: list[Shot]) -> list[float]:
    """The added p50 of each round in milliseconds."""
    return [
        (one.run.p50_seconds - base.run.p50_seconds) * MILLI
        for one, base in zip(over, under, strict=True)
    ]


def cpu(shots: list[Shot]) -> list[float]:
    """CPU time per request of each round in microseconds."""
    return [shot.cpu_micro for shot in shots]


def ratio(over: list[Shot], under: list[Shot]) -> float:
    """How many times the CPU time, from pairs of the same round."""
    return median(a / b for a, b in zip(cpu(over), cpu(under), strict=True))


def whole(stage: Stage) -> Iterator[Figure]:
    """The relayed request without a stream, one at a time: the two figures that have an aim."""
    direct, peer, main = in_turn(stage, lambda _: small("auto"), requests=400)
    yield Figure(
        "relayed request: CPU of main",
        "<= 250 us",
        f"{spread(cpu(main))} us, {ratio(main, peer):.2f} x the bare stack",
    )
    yield Figure(
        "relayed request: added p50, one at a time",
        "<= 0.5 ms",
        f"{spread(added(main, direct), '.2f')} ms; direct "
        f"{median(shot.run.p50_seconds for shot in direct) * MILLI:.2f} ms",
    )
    yield Figure(
        "bare stack (uvicorn + aiohttp): CPU, added p50",
        "",
        f"{spread(cpu(peer))} us, {spread(added(peer, direct), '.2f')} ms",
    )


def busy(stage: Stage) -> Iterator[Figure]:
    """Requests a second with 32 clients at once, who share the machine with us."""
    direct, peer, main = in_turn(stage, lambda _: small("auto"), requests=960, connections=32)
    per_second = [median(shot.run.per_second for shot in one) for one in (direct, peer, main)]
    yield Figure(
        "requests/s, 32 at a time: direct, bare stack, twotier",
        "",
        f"{per_second[0]:.0f}, {per_second[1]:.0f}, {per_second[2]:.0f}",
    )
    yield Figure(
        "relayed request, 32 at a time: CPU of main",
        "",
        f"{spread(cpu(main))} us, {ratio(main, peer):.2f} x the bare stack",
    )


def long_body(stage: Stage) -> Iterator[Figure]:
    """One turn of an agent."""
    direct, peer, main = in_turn(stage, lambda _: agent("local"), requests=150)
    yield Figure(
        "83 KB agent request: CPU of main, added p50",
        "",
        f"{spread(cpu(main))} us, {spread(added(main, direct), '.2f')} ms; bare stack "
        f"{median(cpu(peer)):.0f} us",
    )


def streamed(stage: Stage) -> Iterator[Figure]:
    """Fifty chunks, each by itself, relayed: what a token costs."""
    body = small("auto", stream=True)
    _, peer, main = in_turn(stage, lambda _: body, requests=64, connections=16)
    yield Figure(
        f"streamed answer of {CHUNKS} chunks, relayed: CPU of main",
        "",
        f"{spread(cpu(main))} us, {median(cpu(main)) / CHUNKS:.0f} us a chunk, "
        f"{ratio(main, peer):.2f} x the bare stack",
    )


def others(stage: Stage) -> Iterator[Figure]:
    """Ways that cost more by their nature: for information."""
    for name, model, requests in (
        (f"asked whole, streamed upstream ({CHUNKS} chunks), put together", "other", 64),
        ("frontier, translated, reserved and settled on disk", "frontier", 96),
    ):
        shots = [
            stage.main.shoot(small(model), requests=requests, connections=8)
            for _ in range(ROUNDS // 2)
        ]
        yield Figure(f"{name}: CPU of main", "", f"{spread(cpu(shots))} us")
    alone = [stage.main.shoot(small("frontier"), requests=20) for _ in range(ROUNDS // 2)]
    yield Figure(
        "frontier: p50, one at a time, two durable commits and the fake's own time",
        "",
        f"{spread([shot.run.p50_seconds * MILLI for shot in alone], '.1f')} ms",
    )
