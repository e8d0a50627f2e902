"""The frontier: Anthropic's Messages API over HTTP, without its SDK."""

from __future__ import annotations

from collections.abc import Callable

from yarl import URL

from twotier.domain.message import PATHS, Dialect
from twotier.errors import UpstreamError
from twotier.protocols.anthropic_messages import read_error
from twotier.providers.base import Ask, Reply
from twotier.providers.http import Transport, post
from twotier.providers.secret import checked_key, without_key


class Anthropic:
    """`base.Provider` for the API and for what imitates it.

    `base_url` with or without `/v1`. `key` is asked at every call. `version` is the API's own
    versioning header; beta features come as `anthropic-beta` in what an ask passes on.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        key: Callable[[], str],
        base_url: str = "https://api.anthropic.com",
        version: str = "2023-06-01",
    ) -> None:
        self._transport = transport
        base = base_url.rstrip("/").removesuffix("/v1") + "/v1"
        self._urls = {dialect: URL(base + path) for dialect, path in PATHS.items()}
        self._key = key
        self._headers = {
            "anthropic-version": version,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "twotier",
        }

    @property
    def dialect(self) -> Dialect:
        """Messages."""
        return "anthropic_messages"

    async def ask(self, ask: Ask) -> Reply:
        """Send, wait for the head. `TierUnavailableError` without a key; else see `base`."""
        key = checked_key(self._key(), "Anthropic")
        headers = {**self._headers, "x-api-key": key}
        try:
            return await post(
                self._transport,
                self._urls[ask.dialect or self.dialect],
                ask=ask,
                headers=headers,
                read_error=read_error,
            )
        except UpstreamError as error:
            raise without_key(error, key) from error.__cause__
