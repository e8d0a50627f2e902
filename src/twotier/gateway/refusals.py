"""Requests that got an error instead of an answer: counted by code, and one log line each."""

from __future__ import annotations

import logging
from collections.abc import Callable

from twotier.errors import TwotierError, UpstreamError

log = logging.getLogger("twotier.gateway")
PATH_CHARACTERS_MAX = 100  # it is whatever somebody sent


class Refusals:
    """Shared by all routes of a process. `new_id` names requests that nobody has named yet."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self.by_code: dict[str, int] = {}
        self.new_id = new_id

    def defect(self, exc: Exception, *, path: str, request: str = "") -> TwotierError:
        """What a client hears of a defect of ours: a name to look for in the log, which has it all.

        `request` names it already, else it gets a name.
        """
        broken = TwotierError("an internal error; see the log")
        broken.request_id = request or self.new_id()
        extra = {"path": path[:PATH_CHARACTERS_MAX], "request": broken.request_id}
        log.error("defect", exc_info=exc, extra=extra)
        return broken

    def note(self, error: TwotierError, *, path: str, client: str) -> None:
        """One refusal, which has an id from here on. A client that was not let in has no name."""
        error.request_id = error.request_id or self.new_id()
        self.by_code[error.code] = self.by_code.get(error.code, 0) + 1
        log.info(
            "refused",
            extra={
                "request": error.request_id,
                "path": path[:PATH_CHARACTERS_MAX],
                "client": client,
                "status": http_status(error),
                "error": error.noted,
            },
        )


def http_status(error: TwotierError) -> int:
    """The upstream's own status where it gave one, else that of the error's class."""
    if not isinstance(error, UpstreamError):
        return error.status
    if error.billing:
        return 402  # wherever the money is missing: SDKs repeat a 429 by themselves, never this
    if error.upstream_status in (401, 403):
        return error.status  # about our key, not the client's: to the client a bad gateway
    return error.upstream_status if 400 <= error.upstream_status <= 599 else error.status
