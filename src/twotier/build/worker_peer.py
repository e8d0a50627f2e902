"""Main asks the worker, over its private socket: the same paths the command line asks.

What the worker refuses comes as the class of `errors` that it was there, with the same sentence, so
that a page tells what a terminal would.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from twotier.errors import NOT_READABLE, DeadlineError, NotRunningError, TwotierError, error_told

ANSWER_SECONDS = 10.0
LOOK_SECONDS = 70.0  # where it looks at something elsewhere before it answers
LOOKS = ("/dry", "/look", "/reload")
GONE = "the worker does not answer; `twotier status` says how it is"
SLOW = "the worker has not answered in time; `twotier status` says how it is"


@dataclass(frozen=True, slots=True)
class WorkerPeer:
    """The worker at its socket."""

    socket_path: Path

    async def get(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """The document at a path, whose parts are quoted already. Raises `NotRunningError`,
        `DeadlineError`, and what the worker says.
        """
        return await self._ask("GET", path, query=query, body=None)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The answer to a document. Raises the same."""
        return await self._ask("POST", path, query=None, body=body or {})

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None,
        body: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        seconds = LOOK_SECONDS if path.endswith(LOOKS) else ANSWER_SECONDS
        asked = {key: str(value) for key, value in (query or {}).items() if value not in (None, "")}
        url = URL(f"http://worker{path}", encoded=True).update_query(asked)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(str(self.socket_path)),
                    timeout=aiohttp.ClientTimeout(total=seconds),
                ) as session,
                session.request(method, url, json=body) as reply,
            ):
                status, content = reply.status, await reply.read()
        except TimeoutError as exc:
            raise DeadlineError(SLOW) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise NotRunningError(GONE) from exc
        return document(status, content)


def document(status: int, content: bytes) -> dict[str, Any]:
    """The object of an answer. Raises the error that it tells of."""
    try:
        found = json.loads(content)
    except NOT_READABLE:
        found = None
    told: dict[str, Any] | None = found if isinstance(found, dict) else None
    if status >= 400:
        raise error_told(told or {}, status, otherwise=f"the worker answered with status {status}")
    if told is None:
        raise TwotierError("the worker's answer cannot be read; restart it: `twotier down`, `up`")
    return told
