"""Passes a request of a page on to the worker's private socket."""

from __future__ import annotations

from pathlib import Path

import aiohttp
from yarl import URL

from twotier.errors import NotRunningError
from twotier.gateway.approve import FORM, Passed

SECONDS_MAX = 15.0


async def pass_on(socket_path: Path, method: str, *, path: str, body: bytes) -> Passed:
    """What the worker answers. Raises `NotRunningError` where it does not."""
    timeout = aiohttp.ClientTimeout(total=SECONDS_MAX)
    headers = {"content-type": FORM} if body else {}
    url = URL(f"http://worker{path}", encoded=True)
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(socket_path)), timeout=timeout
            ) as session,
            session.request(method, url, data=body or None, headers=headers) as reply,
        ):
            return Passed(reply.status, dict(reply.headers), await reply.read())
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise NotRunningError("the worker does not answer; see `twotier status`") from exc
