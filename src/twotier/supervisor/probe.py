"""Is it really alive? Only a generated token proves that.

`/health` answers 200 before the weights are loaded, and in some versions for hours after the
thread that generates has died (mlx-lm issues 1505 and 1909). So readiness is what the handed-in
`ask` did: one real generation. It goes past dispatch, because readiness would wait for itself, and
therefore writes its own row in the ledger.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.errors import TwotierError

Ask = Callable[[Endpoint], Awaitable[None]]

PAUSE_SECONDS = 0.05


async def until_listening(endpoint: Endpoint, clock: Clock) -> None:
    """Wait for the port to open, so that a start costs one asked token and not forty."""
    where = urlsplit(endpoint.base_url)
    while not await listens(where.hostname or "", where.port or 0):
        await clock.sleep(PAUSE_SECONDS)


async def listens(host: str, port: int) -> bool:
    """Whether somebody accepts connections there. A bare socket: it is closed on every way out."""
    with socket.socket() as sock:
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
        except OSError:
            return False
    return True


async def until_answered(
    ask: Ask, endpoint: Endpoint, *, within_seconds: float, clock: Clock, listens: bool = True
) -> str:
    """Ask until it answers. Empty when it did; else the last reason why it did not.

    A refusal (503 while loading) is asked again; a silence is waited out to the end, because the
    first answer of a server that is loading 129 GB comes when it comes.
    """
    because = "its port did not open" if listens else "it gave no sign of life"
    try:
        async with asyncio.timeout(within_seconds):
            if listens:
                await until_listening(endpoint, clock)
            because = "it took the question and did not answer"
            while failed := await _failure(ask, endpoint):
                because = failed
                await clock.sleep(PAUSE_SECONDS * 4)
    except TimeoutError:
        return because
    return ""


async def _failure(ask: Ask, endpoint: Endpoint) -> str:
    """One try: empty when it answered."""
    try:
        await ask(endpoint)
    except TwotierError as exc:
        return exc.message
    except OSError as exc:  # TimeoutError too: the ask's own limit
        return f"{type(exc).__name__}: {exc}"
    return ""
