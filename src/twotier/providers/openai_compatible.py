"""Whatever answers `/v1/chat/completions`: llama.cpp, mlx-lm, vLLM, Ollama, LM Studio, OpenAI.

Many of them answer other dialects beside it, at the paths that are usual for these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from yarl import URL

from twotier.domain.message import PATHS, Dialect
from twotier.errors import TierUnavailableError, UpstreamError
from twotier.protocols.openai_chat import read_error
from twotier.providers.base import Ask, Reply
from twotier.providers.http import Transport, post
from twotier.providers.secret import checked_key, without_key


class OpenAICompatible:
    """`base.Provider` for one server.

    `base_url` may end with its version (`.../v1`, `.../v4`) or not. `key` is asked at every call,
    so that a changed key counts at once; None for a server that wants none. `not_found_is_outage`:
    mlx-lm answers 404 to every failure before the first byte, so there it says nothing of a path.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        base_url: str,
        key: Callable[[], str] | None = None,
        not_found_is_outage: bool = False,
    ) -> None:
        self._transport = transport
        base = versioned(base_url)
        self._urls = {dialect: URL(base + path) for dialect, path in PATHS.items()}
        self._key = key
        self._not_found_is_outage = not_found_is_outage
        self._headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "twotier",
        }

    @property
    def dialect(self) -> Dialect:
        """Chat Completions."""
        return "openai_chat"

    async def ask(self, ask: Ask) -> Reply:
        """Send, wait for the head. See `base` for the errors."""
        if self._key is None:
            return await self._post(ask, self._headers)
        key = checked_key(self._key(), f"{self._urls[self.dialect].host}")
        try:
            return await self._post(ask, {**self._headers, "Authorization": f"Bearer {key}"})
        except UpstreamError as error:
            raise without_key(error, key) from error.__cause__

    async def _post(self, ask: Ask, headers: Mapping[str, str]) -> Reply:
        try:
            return await post(
                self._transport,
                self._urls[ask.dialect or self.dialect],
                ask=ask,
                headers=headers,
                read_error=read_error,
            )
        except UpstreamError as error:
            if self._not_found_is_outage and error.upstream_status == 404:
                text = f"{error.message}; see the log of its server"
                raise TierUnavailableError(text) from error
            raise


def versioned(base_url: str) -> str:
    """A base address that ends with its version, whether it was given with one or not."""
    base = base_url.rstrip("/")
    return base if re.search(r"/v\d+$", base) else base + "/v1"
