"""A provider whose server a keeper keeps: wait until it is ready, then ask it where it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from twotier.domain.endpoint import Endpoint, Kept, Use, Work
from twotier.domain.message import Dialect
from twotier.errors import DeadlineError, StreamBrokenError, TierUnavailableError, UpstreamError
from twotier.providers.base import Ask, Provider, Reply

NOTHING_SECONDS = 0.01  # a wait shorter than this was none


class KeptProvider:
    """`base.Provider` in front of a kept server.

    `make` builds the provider for an endpoint; it is called once for each generation, because a
    restarted server has another port. A request waits for readiness at most `wait_seconds`, and
    never longer than its own total time; what it waited is taken off that.
    """

    def __init__(
        self,
        keeper: Kept,
        make: Callable[[Endpoint], Provider],
        *,
        dialect: Dialect,
        wait_seconds: float,
    ) -> None:
        self._keeper = keeper
        self._make = make
        self._dialect = dialect
        self._wait_seconds = wait_seconds
        self._made: tuple[Endpoint, Provider] | None = None

    @property
    def dialect(self) -> Dialect:
        """The dialect of the server."""
        return self._dialect

    async def ask(self, ask: Ask) -> Reply:
        """Wait, then ask. A failure that looks like a dead server is told to the keeper."""
        now = asyncio.get_running_loop().time
        started_at = now()
        within_seconds = min(self._wait_seconds, ask.deadlines.total_seconds)
        endpoint = await self._keeper.ensure_ready(within_seconds=within_seconds)
        waited_seconds = now() - started_at
        if waited_seconds > NOTHING_SECONDS:
            left_seconds = max(0.0, ask.deadlines.total_seconds - waited_seconds)
            ask = replace(ask, deadlines=replace(ask.deadlines, total_seconds=left_seconds))
        use = self._keeper.pick_up(Work(ask.prompt_tokens, whole=not ask.stream, holds=ask.holds))
        reply = None
        try:
            reply = await self._provider(endpoint).ask(ask)
        except (TierUnavailableError, DeadlineError) as error:
            self._keeper.suspect(error.message)
            raise
        except UpstreamError as error:
            if error.upstream_status == 0:  # it hung up without an answer
                self._keeper.suspect(error.message)
            raise
        finally:
            if reply is None:
                use.lay_down()
        return _KeptReply(reply, keeper=self._keeper, use=use)

    def _provider(self, endpoint: Endpoint) -> Provider:
        if self._made is None or self._made[0] != endpoint:
            self._made = (endpoint, self._make(endpoint))
        return self._made[1]


class _KeptReply:
    """A reply that reports progress and breakage to the keeper, and holds the server in use."""

    def __init__(self, reply: Reply, *, keeper: Kept, use: Use) -> None:
        self._reply = reply
        self._keeper = keeper
        self._use = use

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The response headers."""
        return self._reply.headers

    async def read(self) -> bytes:
        """The next piece of the body."""
        try:
            chunk = await self._reply.read()
        except (StreamBrokenError, DeadlineError) as error:
            self._keeper.suspect(error.message)
            self._use.lay_down()
            raise
        if chunk:
            self._use.progressed()
        else:
            self._use.lay_down()
        return chunk

    async def close(self) -> None:
        """End it."""
        try:
            await self._reply.close()
        finally:
            self._use.lay_down()
