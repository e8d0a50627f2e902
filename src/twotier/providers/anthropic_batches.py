"""Anthropic's Message Batches over HTTP: submitted, looked at, read, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from urllib.parse import quote

from yarl import URL

from twotier.domain.batch import Batch, Result
from twotier.errors import UpstreamError
from twotier.protocols import anthropic_messages as wire
from twotier.providers.http import Sending, Transport, fetch
from twotier.providers.secret import checked_key, without_key

PAGE_BATCHES = 100
PAGES_MAX = 50


class AnthropicBatches:
    """`base.Batches` for the API; made as `Anthropic` is, with the same key and address."""

    def __init__(
        self,
        transport: Transport,
        *,
        key: Callable[[], str],
        base_url: str = "https://api.anthropic.com",
        version: str = "2023-06-01",
    ) -> None:
        self._fetch = partial(fetch, transport)
        self._base = base_url.rstrip("/").removesuffix("/v1") + "/v1/messages/batches"
        self._key = key
        self._headers = {
            "anthropic-version": version,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "twotier",
        }

    async def submit(self, custom_id: str, body: bytes) -> str:
        """Send one request as a batch; the id of the batch."""
        told = await self._ask("", method="POST", body=wire.write_batch(custom_id, body))
        return wire.read_batch(told).id

    async def look(self, batch_id: str) -> Batch:
        """How it stands."""
        return wire.read_batch(await self._ask(f"/{quoted(batch_id)}"))

    async def since(self, moment: datetime) -> list[Batch]:
        """The batches of the account that were made since then."""
        found: list[Batch] = []
        after = ""
        for _ in range(PAGES_MAX):
            more = f"&after_id={quoted(after)}" if after else ""
            page = wire.read_page(await self._ask(f"?limit={PAGE_BATCHES}{more}"))
            found += page.batches
            after = page.after
            if not after or page.batches[-1].created_at < moment:
                break
        return [one for one in found if one.created_at >= moment]

    async def result(self, batch_id: str, custom_id: str) -> Result | None:
        """What became of a request in a batch that has ended; None where it is not in there."""
        told = await self._ask(f"/{quoted(batch_id)}/results")
        return wire.read_result(told, custom_id)

    async def cancel(self, batch_id: str) -> None:
        """Begin to cancel it. It goes on until it has ended, perhaps with an answer."""
        await self._ask(f"/{quoted(batch_id)}/cancel", method="POST")

    async def _ask(self, path: str, *, method: str = "GET", body: bytes = b"") -> bytes:
        """One call. Raises what `fetch` does, never with the key in it."""
        key = checked_key(self._key(), "Anthropic")
        sending = Sending(method, URL(self._base + path), {**self._headers, "x-api-key": key}, body)
        try:
            return await self._fetch(sending, read_error=wire.read_error)
        except UpstreamError as error:
            raise without_key(error, key) from error.__cause__


def quoted(name: str) -> str:
    """A name of the provider's as a part of a path: it leads nowhere else."""
    return quote(name, safe="")
