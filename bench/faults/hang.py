"""A model server whose port and `/health` answer, and which generates nothing any more.

Asked of everybody: how long do ten clients, each in mid-stream, wait for an error? And of twotier,
where it keeps the server: when is it found, when is there an answer again?
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.bodies import small
from bench.faults.client import ask, session
from bench.faults.stand import CHAT, Orders, Stand
from bench.faults.upstream import Order
from bench.figures import Figure, Other
from bench.load import Target
from bench.service import Service, played_cache
from bench.stage import MAIN, Route, Side

CLIENTS = 10
INTO_SECONDS = 1.0  # of a stream of four
WAIT_SECONDS = 75.0
LOOK_SECONDS = 0.05
KEPT = """
[tiers.local]
engine = "mlx_lm"
model = "./bench.gguf"
window_tokens = 65536
parallel = 16
"""


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds after the hang."""

    found: float
    clients: float
    again: float


def figures(stand: Stand, folder: Path) -> Iterator[Figure]:
    """All at the same time: nobody works."""
    folder.mkdir(parents=True)
    (folder / "bench.gguf").touch()
    cache = played_cache(folder / "cache")
    with Service(folder, KEPT, module="bench.faults.main", cache=cache) as service:
        service.wait_ready("local")
        waited, kept = asyncio.run(all_hung(stand, service))
    yield Figure(
        f"a server hangs, its /health answers: the last of {CLIENTS} streams hears an error",
        "",
        said(waited[MAIN]),
        {name: Other(None, said(value)) for name, value in waited.items() if name != MAIN},
    )
    nobody = {name: Other(None, "keeps no server") for name in waited if name != MAIN}
    yield Figure(
        "the same, a server that twotier keeps (as mlx-lm): found", "<= 35 s", said(kept.found)
    )
    yield Figure("the same: the last client hears of it", "", said(kept.clients))
    yield Figure("the same: another one answers", "", said(kept.again), nobody)
    yield Figure(
        "the same, llama-swap",
        "",
        "not run: its binary cannot be had here; it looks at /health alone",
    )


def said(seconds: float) -> str:
    """Or that it did not happen."""
    return f"{seconds:.1f} s" if seconds < WAIT_SECONDS else f"not within {WAIT_SECONDS:.0f} s"


async def all_hung(stand: Stand, service: Service) -> tuple[dict[str, float], Found]:
    """The servers of somebody else, and the kept one."""
    sides = [side for side, _ in stand.of("chat")]
    async with asyncio.TaskGroup() as group:
        kept = group.create_task(found(service))
        stand.orders.give()
        waiting = [group.create_task(errors(side)) for side in sides]
        await asyncio.sleep(INTO_SECONDS)
        stand.orders.give(Order(hung=True))
    return {side.name: task.result() for side, task in zip(sides, waiting, strict=True)}, (
        kept.result()
    )


async def errors(side: Side) -> float:
    """Seconds from the hang until all clients of one side have heard of it."""
    with side.turn():
        return await last_error(side.routes["chat"])


async def last_error(route: Route) -> float:
    """Of ten streams. A stream that ends is heard, however it ends."""
    began = time.monotonic()
    body = small(route.model, stream=True, plan="slow")
    async with session(2 * WAIT_SECONDS) as client:
        asking = [asyncio.create_task(ask(client, route.target, body)) for _ in range(CLIENTS)]
        _, late = await asyncio.wait(asking, timeout=INTO_SECONDS + WAIT_SECONDS)
        for task in late:
            task.cancel()
    return WAIT_SECONDS if late else time.monotonic() - began - INTO_SECONDS


async def found(service: Service) -> Found:
    """The keeper's own."""
    server = service.tier("local")
    orders = Orders(int(server["address"].rpartition(":")[2]))
    route = Route(Target(service.port, CHAT, service.key), "local")
    waiting = asyncio.create_task(last_error(route))
    await asyncio.sleep(INTO_SECONDS)
    await asyncio.to_thread(orders.give, Order(hung=True))
    began = time.monotonic()
    seen = await until(service, began, pid=server["pid"], ready=False)
    again = await until(service, began, pid=server["pid"], ready=True)
    async with session() as client:
        while await ask(client, route.target, small("local")) != 200:
            if time.monotonic() > began + WAIT_SECONDS:
                break
            await asyncio.sleep(LOOK_SECONDS)
            again = time.monotonic() - began
    return Found(seen, await waiting, again)


async def until(service: Service, began: float, *, pid: int, ready: bool) -> float:
    """Seconds until the tier does not look ready any more, or is so with another process."""
    while time.monotonic() < began + WAIT_SECONDS:
        tier = await asyncio.to_thread(service.tier, "local")
        well = tier["state"] in ("ready", "busy")
        if (well and tier["pid"] != pid) if ready else not well:
            return time.monotonic() - began
        await asyncio.sleep(LOOK_SECONDS)
    return WAIT_SECONDS
