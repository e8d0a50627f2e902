"""Clients that note what became of each request, good or bad."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from bench.load import Target

SECONDS_MAX = 60.0
NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """`status` is 0 where none came; `at` is when it was asked, seconds after the first."""

    at: float
    status: int
    seconds: float

    @property
    def good(self) -> bool:
        """An answer."""
        return self.status == 200


def session(seconds: float = SECONDS_MAX) -> aiohttp.ClientSession:
    """As many connections as it takes; an answer may take so long."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(seconds)
    )


async def ask(client: aiohttp.ClientSession, target: Target, body: bytes) -> int:
    """The status of the answer once it is whole, `NO_ANSWER` where it broke off or none came."""
    headers = {"content-type": "application/json", **target.headers}
    if target.key:
        headers["authorization"] = f"Bearer {target.key}"
    url = f"http://127.0.0.1:{target.port}{target.path}"
    with suppress(aiohttp.ClientError, TimeoutError, ConnectionError):
        async with client.post(url, data=body, headers=headers) as reply:
            await reply.read()
            return reply.status
    return NO_ANSWER


async def paced(
    target: Target, body: bytes, *, per_second: float, seconds: float
) -> Sequence[Heard]:
    """So many a second, whatever became of those before; returns when the last has its end."""
    began = time.monotonic()
    heard: list[Heard] = []

    async def one(client: aiohttp.ClientSession) -> None:
        at = time.monotonic()
        status = await ask(client, target, body)
        heard.append(Heard(at - began, status, time.monotonic() - at))

    async with session() as client, asyncio.TaskGroup() as group:
        for due in ticks(per_second, seconds):
            await asyncio.sleep(began + due - time.monotonic())
            group.create_task(one(client))
    return sorted(heard, key=lambda one: one.at)


def ticks(per_second: float, seconds: float) -> Iterator[float]:
    """When the requests are due."""
    return (number / per_second for number in range(round(per_second * seconds)))


def share(values: Sequence[float], part: float) -> float:
    """The value that so large a part of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
