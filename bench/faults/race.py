"""Hundreds of requests at once against a limit that holds twenty of them: how far is it passed?

LiteLLM's limits of keys and teams need its database (PostgreSQL, by a client that fetches its
engine when it is set up); its limit of a model does not, and that is what is raced.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.faults.client import ask, session
from bench.faults.stand import CHAT, Orders, chosen, stood
from bench.figures import Figure, Other, missing
from bench.gateways import KEY, Gateway, Plan, Seat
from bench.load import Target
from bench.stage import MAIN, Route, Way
from bench.upstream import PLANS

LIMIT_USD = 10.0
REQUEST_USD = 0.5
TOKENS = PLANS["costly"].chunks
TOKEN_USD = REQUEST_USD / TOKENS
MILLION = 1e6
LIMIT = f"""
[[budgets]]
period = "day"
limit_usd = {LIMIT_USD}
"""
LITELLM = """
model_list:
  - model_name: frontier
    litellm_params:
      model: anthropic/bench
      api_base: "{upstream}"
      api_key: none
      input_cost_per_token: 0
      output_cost_per_token: {token_usd}
      max_budget: {limit_usd}
      budget_duration: 1d
general_settings: {{master_key: {key}}}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What reached the upstream, those of the start included, and what the clients heard."""

    reached: int
    statuses: Counter[int]

    @property
    def over_usd(self) -> float:
        """How far past the limit."""
        return max(0.0, self.reached * REQUEST_USD - LIMIT_USD)

    def told(self) -> str:
        """In words."""
        heard = ", ".join(f"{status}: {count}" for status, count in self.statuses.most_common(3))
        return f"${self.over_usd:.2f} over; {self.reached} reached it ({heard})"


def limited(found: Path, seat: Seat) -> Plan:
    """LiteLLM with a limit that it keeps in memory."""
    text = LITELLM.format(upstream=seat.upstream, key=KEY, limit_usd=LIMIT_USD, token_usd=TOKEN_USD)
    config = seat.write("litellm.yaml", text)
    ways: Mapping[Way, Route] = {"chat": Route(Target(seat.port, CHAT, KEY), "frontier")}
    return Plan(
        (
            *(str(found), "--config", str(config), "--host", "127.0.0.1"),
            *("--port", str(seat.port), "--telemetry", "False"),
        ),
        lambda _: ways,
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
    )


def racers() -> list[Gateway]:
    """The peers that can hold a limit in dollars without a database."""
    return [replace(one, plan=limited) for one in chosen() if one.name == "litellm"]


def figures(folder: Path, requests: int) -> Iterator[Figure]:
    """Each alone, with a limit nothing was spent of."""
    usd = (0.0, TOKEN_USD * MILLION)
    seen: dict[str, Seen] = {}
    with stood(folder, LIMIT, usd=usd, gateways=racers(), only_limits=True) as stand:
        proofs = stand.orders.asked_messages()  # each cost as much as the others
        for side, way in stand.of("chat_on_messages", "chat"):
            already = 0 if side.name == MAIN else proofs
            with side.turn():
                seen[side.name] = asyncio.run(
                    raced(stand.orders, side.routes[way], requests, already=already)
                )
    name = f"{requests} requests of ${REQUEST_USD:.2f} at once, a limit of ${LIMIT_USD:.0f}"
    yield Figure(
        name,
        "$0.00 over",
        seen[MAIN].told(),
        {who: Other(None, one.told()) for who, one in seen.items() if who != MAIN},
    )
    for who, why in stand.troupe.left_out.items():
        yield missing(f"{name}: {who}", why)


async def raced(orders: Orders, route: Route, requests: int, *, already: int) -> Seen:
    """All at once. Answers take two seconds."""
    before = orders.asked_messages()
    body = json.dumps(
        {
            "model": route.model,
            "messages": [{"role": "user", "content": "Say it at length. bench:costly"}],
            "max_tokens": TOKENS,
            "stream": True,
        }
    ).encode()
    async with session() as client:
        heard = await asyncio.gather(*(ask(client, route.target, body) for _ in range(requests)))
    return Seen(already + orders.asked_messages() - before, Counter(heard))
