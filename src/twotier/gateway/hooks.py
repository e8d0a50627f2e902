"""Posts for jobs: `POST /hooks/JOB`. No key opens this path: the job's own signature does, and the
worker, who holds the secret, looks at it. Here a post is only kept small and handed on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from twotier.errors import NotFoundError, TooLargeError
from twotier.gateway.asgi import JSON, Call, header, read_body, respond

HOOKS = "/hooks/"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")  # a job's; nothing else may reach the worker's paths
BODY_BYTES_MAX = 1_000_000
AT_ONCE = 16
HANDED_ON = ("x-twotier-signature", "x-hub-signature-256", "x-twotier-timestamp")


@dataclass(frozen=True, slots=True)
class Post:
    """What was posted to a job, with the headers that speak of its signature."""

    job: str
    body: bytes
    headers: Mapping[str, str]


Forward = Callable[[Post], Awaitable[tuple[int, bytes]]]


@dataclass(frozen=True, slots=True)
class HookRoute:
    """The path. `forward` asks the worker and returns its status and body; raises
    `NotRunningError` where it does not answer.
    """

    forward: Forward
    few: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def __call__(self, call: Call) -> None:
        """Hand the post on, and answer as the worker does."""
        name = call.scope["path"].removeprefix(HOOKS)
        if not NAME.fullmatch(name):
            raise NotFoundError("a post goes to /hooks/JOB, with the name of one of your jobs")
        async with self.few:
            post = Post(name, await self.body(call), handed_on(call))
            status, body = await self.forward(post)
        await respond(call.send, status, body=body, headers=[JSON])

    async def body(self, call: Call) -> bytes:
        """The whole body. Raises `TooLargeError`."""
        try:
            return await read_body(call.scope, call.receive, bytes_max=BODY_BYTES_MAX)
        except TooLargeError as exc:
            raise TooLargeError(
                f"a post to a job may have {BODY_BYTES_MAX} bytes; post a part of it, or a link"
            ) from exc


def handed_on(call: Call) -> dict[str, str]:
    """The headers the worker looks at."""
    found = {name: header(call.scope, name.encode()) for name in HANDED_ON}
    return {name: value for name, value in found.items() if value}
