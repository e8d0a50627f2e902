"""The way of a post from the gateway to the worker."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from twotier.errors import NotRunningError
from twotier.gateway.hooks import Post

ANSWER_SECONDS = 10.0


async def forward(socket_path: Path, post: Post) -> tuple[int, bytes]:
    """The worker's status and answer. Raises `NotRunningError`: whoever posts tries again later."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    connector = aiohttp.UnixConnector(str(socket_path))
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.post(
                f"http://worker/hooks/{post.job}", data=post.body, headers=post.headers
            ) as reply,
        ):
            return reply.status, await reply.read()
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise NotRunningError(
            "the worker does not answer, so the post was not taken; post it again in a minute"
        ) from exc
