"""Telegram as a channel of conversations: its Bot API, read by long polling.

Only chats that the owner named are answered; everybody else is told nothing at all. Texts go out as
plain text, so that no mark in an answer means anything, and without previews, because a preview is
a request that somebody else's server sees. The token is part of every address of this API, so
no error and no log here repeats an address.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from twotier.errors import NOT_READABLE, DeliveryError, ReachError, TwotierError
from twotier.jobs.chat_store import Incoming
from twotier.tools.web import Web

LOG = logging.getLogger("twotier.chat")

POLL_SECONDS = 50
ANSWER_SECONDS = 20.0
UPDATES_MAX = 50
TEXT_CHARACTERS_MAX = 16_000
WRONG_TOKEN = frozenset({401, 404})
REFUSED = frozenset({400, 403})


class Telegram:
    """The one bot. `chats` are the ids that are answered; `token` is looked up at each call."""

    name = "telegram"
    units_max = 4_000  # Telegram takes 4,096

    def __init__(
        self, web: Web, *, url: str, token: Callable[[], str], chats: Collection[int]
    ) -> None:
        self._web = web.owners(url)
        self._url = url.rstrip("/")
        self._token = token
        self._chats = frozenset(chats)

    async def receive(self, cursor: int) -> tuple[Sequence[Incoming], int]:
        """Wait up to a minute for updates from the cursor on. Raises `DeliveryError`."""
        asked = {
            "offset": cursor,
            "limit": UPDATES_MAX,
            "timeout": POLL_SECONDS,
            "allowed_updates": ["message"],
        }
        updates = await self._call("getUpdates", asked, seconds=POLL_SECONDS + ANSWER_SECONDS)
        if not isinstance(updates, list):
            raise DeliveryError("Telegram answered what is no list of updates")
        numbers = [int(one["update_id"]) for one in updates if isinstance(one, dict)]
        incoming = [found for one in updates if (found := self._incoming(one)) is not None]
        return incoming, max([cursor, *(number + 1 for number in numbers)])

    def _incoming(self, update: Any) -> Incoming | None:
        """The message of an update, if it is a text from a chat that is answered."""
        message: Any = update.get("message") if isinstance(update, dict) else None
        if not isinstance(message, dict):
            return None
        chat = message.get("chat", {}).get("id")
        if chat not in self._chats:
            if chat is not None:
                LOG.info("chat message of a stranger", extra={"channel": self.name})
            return None
        text = str(message.get("text") or "")[:TEXT_CHARACTERS_MAX]
        return Incoming(str(update["update_id"]), str(chat), text) if text.strip() else None

    async def reply(self, peer: str, text: str) -> None:
        """Send a text to a chat. Raises `DeliveryError`."""
        asked = {
            "chat_id": int(peer),
            "text": text,
            "link_preview_options": {"is_disabled": True},
        }
        await self._call("sendMessage", asked, seconds=ANSWER_SECONDS)

    async def _call(self, method: str, asked: Mapping[str, Any], *, seconds: float) -> Any:
        """The result of a method. Never raises with the address in the sentence."""
        try:
            address = f"{self._url}/bot{self._token()}/{method}"
            page = await self._web.request(
                address,
                method="POST",
                headers={"content-type": "application/json"},
                body=json.dumps(asked).encode(),
                seconds=seconds,
            )
        except ReachError:
            # Without `from`: the address in the cause holds the token.
            raise DeliveryError("Telegram cannot be reached") from None
        except TwotierError as exc:
            raise DeliveryError(exc.message) from exc
        return result_of(page.status, page.body)


def result_of(status: int, body: bytes) -> Any:
    """The result in an answer. Raises `DeliveryError` with what to do, as far as it is known."""
    try:
        told = json.loads(body)
    except NOT_READABLE:
        told = None
    if not isinstance(told, dict):
        raise DeliveryError(f"Telegram answered with status {status} and no JSON")
    if status == 200 and told.get("ok") is True:
        return told.get("result")
    if status in WRONG_TOKEN:
        raise DeliveryError("Telegram does not know the token; see chat.telegram.token")
    if status == 409:
        raise DeliveryError("somebody else reads this bot's messages; stop the other program")
    parameters = told.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    raise DeliveryError(
        f"Telegram refused: status {status}",
        refused=status in REFUSED,
        retry_after_seconds=float(wait) if isinstance(wait, int | float) else None,
    )
