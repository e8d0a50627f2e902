"""What a dead tier costs where another may answer: the first request that finds out, and the next.

Two ways of dying, each in a service of its own per round: somebody else's server is ended, so that
its port refuses (only an attempt can find out), and a server that twotier keeps is killed (its
keeper hears of it). The tier behind both is a living one. Beside them, in the same round, the same
request sent directly to the living server, and through twotier while everything lives.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.bodies import small
from bench.figures import Figure, Other, median, spread
from bench.gateways import GATEWAYS
from bench.load import Load, Run, Target, drive
from bench.peers import started
from bench.service import Service, free_port, played_cache, until
from bench.stage import script
from twotier.cli.client import Peer

ROUNDS = 3
REQUESTS = 100
REQUESTS_OF_PEERS = 4  # there are some that wait for seconds
WARM_REQUESTS = 3
MILLI = 1e3
CENTURY = {"since": "2020-01-01T00:00:00+00:00", "until": "2100-01-01T00:00:00+00:00"}

ALIVE = """
[tiers.alive]
engine = "llama_cpp"
model = "./bench.gguf"
window_tokens = 65536
"""
THEIRS = """
[tiers.dead]
engine = "openai"
model = "dead"
base_url = "http://127.0.0.1:{port}"
"""
KEPT = ALIVE.replace("tiers.alive", "tiers.dead")


@dataclass(frozen=True, slots=True)
class Seen:
    """One round, in milliseconds; `tries` are the requests that asked the dead tier."""

    direct: float
    healthy: float
    first: float
    later: list[float]
    tries: int


def figures(folder: Path) -> Iterator[Figure]:
    """Both ways; the peers only with somebody else's server, since they keep none."""
    for name, play in (("its port refuses", refusing), ("kept, killed with -9", killed)):
        rounds = [play(folder / f"{play.__name__}-{at}") for at in range(ROUNDS)]
        peers = others(folder / "failover") if play is refusing else {}
        direct = median(one.direct for one in rounds)
        first = [one.first - one.direct for one in rounds]
        later = [ms - one.direct for one in rounds for ms in one.later]
        yield Figure(
            f"dead tier, another allowed ({name}): added the first time",
            "<= 50 ms",
            f"{spread(first, '.2f')} ms; direct {direct:.2f} ms",
            {who: beside(first, [one.first - one.direct]) for who, one in peers.items()},
        )
        yield Figure(
            f"dead tier, another allowed ({name}): added later, p50",
            "<= 2 ms",
            f"{spread(later, '.2f')} ms; "
            f"{median(one.healthy - one.direct for one in rounds):.2f} ms where all tiers live",
            {
                who: beside(later, [ms - one.direct for ms in one.later])
                for who, one in peers.items()
            },
        )
        yield Figure(
            f"dead tier, another allowed ({name}): its tries in {REQUESTS + 1} requests",
            "1" if play is refusing else "0 or 1",
            ", ".join(str(one.tries) for one in rounds),
        )


def beside(ours: Sequence[float], theirs: Sequence[float]) -> Other:
    """Medians, compared."""
    other = median(theirs)
    return Other(median(ours) / other, f"{other:.1f} ({min(theirs):.1f})")


def others(folder: Path) -> Mapping[str, Seen]:
    """The peers that fall back, each before two servers of which the first is dead."""
    port = free_port()
    able = [gateway for gateway in GATEWAYS if gateway.falls_back]
    with script("upstream.py", port), started(folder, port, gateways=able) as troupe:
        direct = send(Target(port), "bench", REQUESTS).p50_seconds * MILLI
        seen = {}
        for side in troupe.sides:
            route = side.routes["fallback"]
            with side.turn():
                run = send(route.target, route.model, REQUESTS_OF_PEERS)
            first, *later = (seconds * MILLI for seconds in run.latencies_seconds)
            seen[side.name] = Seen(direct, 0.0, first, later, tries=0)
        return seen


def refusing(folder: Path) -> Seen:
    """The dead tier is somebody else's server, which is ended between two requests."""
    port = free_port()
    with script("upstream.py", port) as server, served(folder, THEIRS.format(port=port)) as service:

        def end() -> None:
            server.kill()
            server.wait()

        return watched(service, end)


def killed(folder: Path) -> Seen:
    """The dead tier is a server of ours."""
    with served(folder, KEPT) as service:

        def kill() -> None:
            os.kill(service.tier("dead")["pid"], signal.SIGKILL)

        return watched(service, kill)


def served(folder: Path, dead: str) -> Service:
    """twotier with the tier that will die before the one that lives."""
    folder.mkdir(parents=True)
    (folder / "bench.gguf").touch()
    cache = played_cache(folder / "cache")
    return Service(folder, dead, ALIVE, module="bench.main", cache=cache)


def watched(service: Service, die: Callable[[], None]) -> Seen:
    """One round: all alive, a death, one request, and many."""
    service.wait_ready("dead", "alive")
    main = Target(service.port, key=service.key)
    server = Target(int(service.tier("alive")["address"].rpartition(":")[2]))
    send(main, "dead", WARM_REQUESTS)
    healthy = send(main, "alive", REQUESTS)
    direct = send(server, "alive", REQUESTS)
    until(lambda: asked(service) == WARM_REQUESTS, what="the warm rows written")
    die()
    first, *later = (
        seconds * MILLI for seconds in send(main, "auto", REQUESTS + 1).latencies_seconds
    )
    until(lambda: asked(service, "alive") >= 2 * REQUESTS + 1, what="all rows written")
    return Seen(
        direct.p50_seconds * MILLI,
        healthy.p50_seconds * MILLI,
        first,
        later,
        asked(service) - WARM_REQUESTS,
    )


def send(target: Target, model: str, requests: int) -> Run:
    """One after another over one connection."""
    return uvloop.run(drive(target, small(model), Load(requests)))


def asked(service: Service, tier: str = "dead") -> int:
    """Requests that tried a tier, by the ledger."""
    rows = Peer(service.paths.main_socket, "main does not run").get(
        "/control/spend", {"by": "tier", **CENTURY}
    )["rows"]
    return sum(int(row["requests"]) for row in rows if row["key"] == tier)
