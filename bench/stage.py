"""Who is compared: the upstream itself, the bare stack, the peers that are here, and twotier.

All are started once, side by side, before one upstream; a peer that is not asked is stopped. A side
says by `routes` in which ways it can be asked.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import uvloop

from bench.bodies import small
from bench.load import WORD, Load, Run, Target, connect, drive
from bench.processes import cpu_seconds, rss_megabytes
from bench.service import Service, accepts, free_port, played_cache, until
from bench.upstream import TEXT

HERE = Path(__file__).parent
FILES = 8192  # open at once, for all who are started: a thousand streams are two of them each
MAIN, BARE, DIRECT = "twotier", "bare stack", "direct"
# By the client's dialect, and the upstream's where it is another one; `fallback` is chat to two
# servers of which the first is dead.
Way = Literal[
    "chat",
    "auto",
    "agent",
    "messages",
    "chat_on_messages",
    "messages_on_chat",
    "priced",
    "fallback",
]

CONFIGURATION = """
[tiers.local]
engine = "llama_cpp"
model = "./bench.gguf"
window_tokens = 65536
parallel = 64

[tiers.plain]
engine = "mlx_lm"
model = "./bench.gguf"
window_tokens = 65536
parallel = 64

[tiers.priced]
engine = "llama_cpp"
provider = "priced"
model = "./bench.gguf"
window_tokens = 65536
parallel = 64
price = {{ input_usd = 1, output_usd = 2 }}

[tiers.theirs]
provider = "anthropic"
model = "bench"
base_url = "http://127.0.0.1:{upstream_port}"
key = "env:FRONTIER_KEY"
price = {{ input_usd = 0, output_usd = 0 }}

[[budgets]]
period = "day"
limit_usd = 100000
"""


@dataclass(frozen=True, slots=True)
class Route:
    """Where to send, the model to name, and what the answer must hold to be the one meant."""

    target: Target
    model: str
    proof: bytes = b""


@dataclass(frozen=True, slots=True)
class Side:
    """Somebody who answers. `pids` are the processes whose CPU time is theirs, as they are now;
    None where it does not matter. `turn` is round its work: before and after it may rest. `slow`:
    so slow that few rounds are enough.
    """

    name: str
    routes: Mapping[Way, Route]
    pids: Callable[[], Sequence[int]] | None = None
    turn: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    slow: bool = False

    def shoot(self, way: Way, body: Callable[[str], bytes], load: Load) -> Run:
        """Send so many requests; `body` makes one for a model."""
        route = self.routes[way]
        watch = None if self.pids is None else self.cpu_seconds
        with self.turn():
            return uvloop.run(drive(route.target, body(route.model), load, watch=watch))

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far."""
        return sum(map(cpu_seconds, self.pids())) if self.pids else 0.0

    def rss_megabytes(self) -> float:
        """Their resident memory now."""
        return sum(map(rss_megabytes, self.pids())) if self.pids else 0.0


@dataclass(frozen=True, slots=True)
class Troupe:
    """The peers that answer, and why each of the others does not; `versions` of the former."""

    sides: Sequence[Side]
    left_out: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stage:
    """All who are compared, by name; `troupe` are the peers among them."""

    sides: Mapping[str, Side]
    troupe: Troupe

    @property
    def main(self) -> Side:
        """twotier."""
        return self.sides[MAIN]

    def of(self, way: Way) -> list[Side]:
        """Those who can be asked in this way."""
        return [side for side in self.sides.values() if way in side.routes]


@contextlib.contextmanager
def script(name: str, *arguments: int, quiet: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """One of the bench's own servers; the first argument is its port. `quiet`: its errors are what
    is wanted, and not shown.
    """
    command = (sys.executable, str(HERE / name), *map(str, arguments))
    errors = subprocess.DEVNULL if quiet else None
    with subprocess.Popen(command, stderr=errors) as process:
        try:
            until(lambda: accepts(arguments[0]), what=name)
            yield process
        finally:
            process.kill()  # a bare stack that holds a stream without an end would wait for it


@contextlib.contextmanager
def staged(
    folder: Path, peers: Callable[[Path, int], AbstractContextManager[Troupe]]
) -> Iterator[Stage]:
    """Everything started and proven; everything ended."""
    upstream_port, bare_port = free_port(), free_port()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(FILES, hard)), hard))
    (folder / "bench.gguf").touch()
    with (
        script("upstream.py", upstream_port),
        script("bare.py", bare_port, upstream_port) as bare,
        Service(
            folder,
            CONFIGURATION.format(upstream_port=upstream_port),
            module="bench.main",
            cache=played_cache(folder / "cache"),
        ) as service,
        peers(folder, upstream_port) as troupe,
    ):
        service.wait_ready("local", "plain", "priced", "theirs")
        bare_pid, main_pid = bare.pid, service.pid
        sides = [
            Side(DIRECT, chat_routes(Route(Target(upstream_port), "bench"))),
            Side(BARE, chat_routes(Route(Target(bare_port), "bench")), lambda: [bare_pid]),
            Side(MAIN, main_routes(service), lambda: [main_pid]),
        ]
        for side in sides:
            prove(side)
        everybody = [*sides, *troupe.sides]
        yield Stage({side.name: side for side in everybody}, troupe)


def chat_routes(route: Route) -> Mapping[Way, Route]:
    """It is asked for chat completions, of a server that speaks them."""
    return {"chat": route, "agent": route}


def main_routes(service: Service) -> Mapping[Way, Route]:
    """twotier: each way ends at the tier that it is meant for, or is no figure."""
    chat = Target(service.port, key=service.key)
    messages = Target(service.port, "/v1/messages", service.key)

    def route(target: Target, model: str, tier: str) -> Route:
        return Route(target, model, f"x-twotier-tier: {tier}\r\n".encode())

    return {
        "chat": route(chat, "local", "local"),
        "auto": route(
            chat, "auto", "local"
        ),  # decided, and its answer looked at before it goes out
        "agent": route(chat, "local", "local"),  # named: by itself such work goes to the frontier
        "messages": route(messages, "local", "local"),
        "chat_on_messages": route(chat, "theirs", "theirs"),
        "messages_on_chat": route(messages, "plain", "plain"),
        "priced": route(chat, "priced", "priced"),
    }


def prove(side: Side, only: Sequence[Way] = ()) -> None:
    """Every route answers, and as it is meant to. Raises `LoadError` and `AssertionError`."""
    for way in only or side.routes:
        route = side.routes[way]
        # Asked whole, it may have been streamed upstream.
        for stream, words in ((False, (TEXT.encode(), WORD)), (True, (WORD,))):
            body = small(route.model, stream=stream, messages=way.startswith("messages"))
            answer = uvloop.run(once(route.target, body))
            told = f"{side.name}, {way}, {'streamed' if stream else 'whole'}: {answer[:500]!r}"
            assert route.proof in answer, told
            assert any(word in answer for word in words), told


async def once(target: Target, body: bytes) -> bytes:
    """One request over a connection of its own."""
    connection = await connect(target)
    try:
        return await connection.ask(target.request(body))
    finally:
        connection.close()
