"""Who is broken: twotier, the bare stack, and the peers that are here, all before one upstream that
breaks to order.

The peers are all that `make bench-peers` installed; `BENCH_FAULT_PEERS="litellm smg"` takes some.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import peers
from bench.faults.upstream import Order
from bench.gateways import GATEWAYS, Gateway
from bench.load import Target
from bench.service import ROOT, Service, accepts, free_port, until
from bench.stage import (
    BARE,
    DIRECT,
    FILES,
    MAIN,
    Route,
    Side,
    Troupe,
    Way,
    chat_routes,
    prove,
    script,
)

TIERS = """
[tiers.local]
engine = "openai"
model = "bench"
base_url = "http://127.0.0.1:{port}"

[tiers.theirs]
provider = "anthropic"
model = "bench"
base_url = "http://127.0.0.1:{port}"
key = "env:FRONTIER_KEY"
price = {{ input_usd = {input_usd}, output_usd = {output_usd} }}
"""
AMPLE = """
[[budgets]]
period = "day"
limit_usd = 100000
"""
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
NOBODY = Troupe([], {}, {})
ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What is said to the upstream, and what it remembers."""

    port: int

    def give(self, order: Order = Order()) -> None:  # noqa: B008  # it is not changed
        """From now on; what it remembers is forgotten."""
        data = json.dumps({"share": order.share, "hung": order.hung}).encode()
        self._ask("/order", data)

    def seen(self) -> Mapping[str, Any]:
        """`asked` requests in all; those with a number by it, with their times and ends."""
        return self._ask("/seen")

    def asked(self) -> int:
        """How many requests came since the last order."""
        return int(self.seen()["asked"])

    def asked_messages(self) -> int:
        """Those of them in the frontier's dialect."""
        return int(self.seen()["messages"])

    def _ask(self, path: str, data: bytes = b"") -> Mapping[str, Any]:
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method="POST")
        with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS) as answer:
            told: Mapping[str, Any] = json.load(answer)
            return told


@dataclass(frozen=True, slots=True)
class Stand:
    """All of them, twotier first; `orders` goes to the upstream behind them."""

    sides: Sequence[Side]
    orders: Orders
    service: Service
    troupe: Troupe

    def of(self, *ways: Way) -> list[tuple[Side, Way]]:
        """Those that can be asked, each with the first of the ways that it has."""
        found = []
        for side in self.sides:
            able = [way for way in ways if way in side.routes]
            if able and side.name != DIRECT:
                found.append((side, able[0]))
        return found

    @property
    def direct(self) -> Side:
        """The upstream itself."""
        return next(side for side in self.sides if side.name == DIRECT)


@contextlib.contextmanager
def upstream() -> Iterator[Orders]:
    """The one that breaks, in a process of its own."""
    port = free_port()
    command = (sys.executable, "-m", "bench.faults.upstream", str(port))
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            until(lambda: accepts(port), what="the upstream")
            yield Orders(port)
        finally:
            process.terminate()


def chosen() -> Sequence[Gateway]:
    """The peers to start."""
    named = os.environ.get("BENCH_FAULT_PEERS", "").split()
    return [gateway for gateway in GATEWAYS if not named or gateway.name in named]


@contextlib.contextmanager
def stood(
    folder: Path,
    more: str = AMPLE,
    *,
    usd: tuple[float, float] = (1.0, 2.0),
    gateways: Sequence[Gateway] | None = None,
    only_limits: bool = False,
) -> Iterator[Stand]:
    """Everything started and proven; everything ended. `usd` are the frontier's prices of a million
    tokens in and out; `more` is of twotier's configuration. `only_limits`: without those that have
    none, and unproven, because that costs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(FILES, hard)), hard))
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        orders = stack.enter_context(upstream())
        tiers = TIERS.format(port=orders.port, input_usd=usd[0], output_usd=usd[1])
        service = stack.enter_context(Service(folder, tiers, more, cache=folder / "cache"))
        service.wait_ready("local", "theirs")
        pid = service.pid
        sides = [
            Side(MAIN, main_routes(service), lambda: [pid]),
            Side(DIRECT, chat_routes(Route(Target(orders.port), "bench"))),
        ]
        if not only_limits:
            port = free_port()
            bare_pid = stack.enter_context(script("bare.py", port, orders.port, quiet=True)).pid
            sides.append(Side(BARE, chat_routes(Route(Target(port), "bench")), lambda: [bare_pid]))
            for side in sides:
                prove(side)
        asked = chosen() if gateways is None else gateways
        troupe = stack.enter_context(peers.started(folder / "peers", orders.port, gateways=asked))
        yield Stand([*sides, *troupe.sides], orders, service, troupe)


def main_routes(service: Service) -> Mapping[Way, Route]:
    """twotier: each way ends at the tier that it is meant for."""
    chat = Target(service.port, CHAT, service.key)
    messages = Target(service.port, MESSAGES, service.key)

    def route(target: Target, tier: str) -> Route:
        return Route(target, tier, f"x-twotier-tier: {tier}\r\n".encode())

    return {
        "chat": route(chat, "local"),
        "chat_on_messages": route(chat, "theirs"),
        "messages": route(messages, "theirs"),
        "messages_on_chat": route(messages, "local"),
    }
