"""What a worker is told while its batch has not ended: ask again."""

from __future__ import annotations

from collections.abc import Mapping

from twotier.domain.money import Attempt
from twotier.errors import TwotierError

_BODY = b'{"object":"twotier.batch","state":"waits"}'


class Waiting:
    """Stands where an answer would, as `Exchange` does; it costs nothing and is never whole."""

    cost_microusd: int | None = None
    dropped: tuple[str, ...] = ()

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._left = _BODY

    async def read(self) -> bytes:
        """The body, then nothing."""
        left, self._left = self._left, b""
        return left

    def failed(self, error: TwotierError) -> bytes:  # noqa: ARG002 - as `Exchange.failed`
        """Nothing has begun that would need an end."""
        return b""

    def whole(self) -> bool:
        """It is no answer, so nobody keeps it as one."""
        return False

    async def close(self) -> None:
        """There is nothing to let go."""


class Kept:
    """`base.Reply` of an answer that has come already."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, body: bytes) -> None:
        self._left = body

    async def read(self) -> bytes:
        """All of it, then nothing."""
        left, self._left = self._left, b""
        return left

    async def close(self) -> None:
        """There is no connection."""
