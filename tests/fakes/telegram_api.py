"""Telegram's Bot API as far as a bot that talks needs it, with its rules.

`getUpdates` confirms what lies before `offset` and holds the request until there is something or
`timeout` has passed; a second reader is refused with 409. `sendMessage` refuses what Telegram
refuses: no text, more than 4,096 units of UTF-16, a chat that is not there (400) or has blocked the
bot (403). A wrong token is 401. `troubles` are answered first, one for each call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

TEXT_UNITS_MAX = 4_096


class TelegramApi:
    """One bot. `say` is what a person does; `sent` is what the bot said."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.url = ""
        self.sent: list[tuple[int, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.troubles: list[tuple[str, int, dict[str, Any]]] = []
        self.blocked: set[int] = set()
        self.polls = 0
        self.offsets: list[int] = []
        self._chats: set[int] = set()
        self._updates: list[dict[str, Any]] = []
        self._next = 1_000
        self._reading = False
        self._news = asyncio.Condition()

    async def say(self, chat: int, text: str | None) -> int:
        """A person writes to the bot; without a text it is a picture."""
        self._chats.add(chat)
        self._next += 1
        content = {"text": text} if text is not None else {"photo": [{"file_id": "x"}]}
        who = {"id": chat, "is_bot": False, "first_name": "A person"}
        place = {"id": chat, "type": "private", "first_name": "A person"}
        message = {"message_id": self._next, "from": who, "chat": place, "date": 1, **content}
        async with self._news:
            self._updates.append({"update_id": self._next, "message": message})
            self._news.notify_all()
        return self._next

    async def until_sent(self, count: int) -> list[tuple[int, str]]:
        """Wait until the bot has said so much."""
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: len(self.sent) >= count)
        return self.sent

    async def handle(self, request: web.Request) -> web.Response:
        """Any method."""
        method = request.match_info["method"]
        body: dict[str, Any] = await request.json()
        if request.match_info["token"] != self.token:
            return refused(401, "Unauthorized")
        self.bodies.append({"method": method, **body})
        if self.troubles and self.troubles[0][0] == method:
            _, status, parameters = self.troubles.pop(0)
            return refused(status, "Trouble", **parameters)
        if method == "getUpdates":
            return await self.updates(body)
        return await self.send(body) if method == "sendMessage" else refused(404, "Not Found")

    async def updates(self, body: dict[str, Any]) -> web.Response:
        """What is not confirmed yet."""
        if self._reading:
            return refused(409, "Conflict: terminated by other getUpdates request")
        self._reading = True
        self.polls += 1
        offset = int(body.get("offset", 0))
        self.offsets.append(offset)
        try:
            async with self._news:
                self._updates = [one for one in self._updates if one["update_id"] >= offset]
                try:
                    async with asyncio.timeout(float(body.get("timeout", 0))):
                        await self._news.wait_for(lambda: bool(self._updates))
                except TimeoutError:
                    pass
                return web.json_response({"ok": True, "result": self._updates[: body["limit"]]})
        finally:
            self._reading = False

    async def send(self, body: dict[str, Any]) -> web.Response:
        """A message of the bot's."""
        chat, text = body["chat_id"], body.get("text", "")
        if not text.strip():
            return refused(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > TEXT_UNITS_MAX:
            return refused(400, "Bad Request: message is too long")
        if chat not in self._chats:
            return refused(400, "Bad Request: chat not found")
        if chat in self.blocked:
            return refused(403, "Forbidden: bot was blocked by the user")
        async with self._news:
            self.sent.append((chat, text))
            self._news.notify_all()
        return web.json_response({"ok": True, "result": {"message_id": 1, "text": text}})


def refused(status: int, description: str, **parameters: Any) -> web.Response:
    """An error as the API gives it."""
    body = {"ok": False, "error_code": status, "description": description}
    return web.json_response(
        body | ({"parameters": parameters} if parameters else {}), status=status
    )


@asynccontextmanager
async def telegram(token: str = "1000:canary-token") -> AsyncIterator[TelegramApi]:
    """The API on a port of its own."""
    api = TelegramApi(token)
    app = web.Application()
    app.router.add_post("/bot{token}/{method}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield api
    finally:
        await runner.cleanup()
