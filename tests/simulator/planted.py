"""Bugs on purpose, each one that a program of this kind has had: the checks must find them."""

from __future__ import annotations

from collections.abc import Mapping

from twotier.domain.message import Dialect
from twotier.errors import StreamBrokenError
from twotier.providers.base import Ask, Provider, Reply

SKIPS_SETTLEMENT = "a settlement is answered and not written"
ASKS_AGAIN = "a broken stream is asked for once more, behind the ledger's back"
MAKES_UP_AN_END = "a broken stream is given a proper end"
FORGETS_ANSWERS = "what a run has had is not kept for it"
BUGS = (SKIPS_SETTLEMENT, ASKS_AGAIN, MAKES_UP_AN_END, FORGETS_ANSWERS)

END = (
    b'event: message_delta\ndata: {"type": "message_delta", "delta": {"stop_reason": "end_turn",'
    b' "stop_sequence": null}, "usage": {"output_tokens": 1}}\n\n'
    b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
)


class Careless:
    """A provider that means well: what breaks is asked for again, or ended properly."""

    def __init__(self, provider: Provider, bug: str) -> None:
        self.provider = provider
        self.bug = bug

    @property
    def dialect(self) -> Dialect:
        return self.provider.dialect

    async def ask(self, ask: Ask) -> Reply:
        return CarelessReply(await self.provider.ask(ask), ask, before=self)


class CarelessReply:
    """Its reply."""

    def __init__(self, reply: Reply, ask: Ask, *, before: Careless) -> None:
        self._reply = reply
        self._ask = ask
        self._before = before
        self._broken = False

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._reply.headers

    async def read(self) -> bytes:
        if self._broken:
            return b""
        try:
            return await self._reply.read()
        except StreamBrokenError:
            self._broken = True
            if self._before.bug == MAKES_UP_AN_END:
                return b"\n\n" + END
            again = await self._before.provider.ask(self._ask)
            while await again.read():
                pass
            await again.close()
            raise

    async def close(self) -> None:
        await self._reply.close()
