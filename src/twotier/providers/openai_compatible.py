"""Whatever answers `/v1/chat/completions`: llama.cpp, mlx-lm, vLLM, Ollama, LM Studio, OpenAI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from yarl import URL

from twotier.domain.message import Dialect
from twotier.errors import TierUnavailableError, TwotierError, UpstreamError
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
        self._url = chat_url(base_url)
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
        key = checked_key(self._key(), f"{self._url.host}")
        try:
            return await self._post(ask, {**self._headers, "Authorization": f"Bearer {key}"})
        except UpstreamError as error:
            raise without_key(error, key) from error.__cause__

    async def _post(self, ask: Ask, headers: Mapping[str, str]) -> Reply:
        try:
            return await post(
                self._transport, self._url, ask=ask, headers=headers, read_error=read_error
            )
        except UpstreamError as error:
            raise self._outage(error) from error.__cause__

    def _outage(self, error: UpstreamError) -> TwotierError:
        if self._not_found_is_outage and error.upstream_status == 404:
            return TierUnavailableError(f"{error.message}; see the log of its server")
        return error


def chat_url(base_url: str) -> URL:
    """The address of chat completions below a base with or without its version."""
    base = base_url.rstrip("/")
    return URL(base + ("" if re.search(r"/v\d+$", base) else "/v1") + "/chat/completions")
