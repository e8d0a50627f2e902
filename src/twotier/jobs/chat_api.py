"""Conversations in the worker's private API.

GET  /chats?limit=N                         the conversations, the latest first
POST /chats {text, conversation?, new?}     -> {"message": id, "conversation": id}
GET  /chats/{id}                            all that was said in one
GET  /chat-messages/{id}?wait_seconds=S     a message, and its answer when there is one
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from twotier.errors import NotFoundError, RequestError
from twotier.jobs.api import WAIT_SECONDS_MAX, number, said
from twotier.jobs.chat import Chats

TEXT_CHARACTERS_MAX = 200_000
LISTED_MAX = 500


def chat_routes(chats: Chats) -> list[Route]:
    """The paths, for `Api.app`."""

    async def listed(request: Request) -> JSONResponse:
        limit = number(request, "limit", default=20, most=LISTED_MAX)
        return said({"chats": await chats.store.listed(int(limit))})

    async def whole(request: Request) -> JSONResponse:
        found = await chats.store.whole(request.path_params["id"])
        return said({"messages": [one.json() for one in found]})

    async def say(request: Request) -> JSONResponse:
        asked = await body_of(request)
        text = asked.get("text")
        if not isinstance(text, str) or not text.strip():
            raise RequestError("text is missing or empty")
        if len(text) > TEXT_CHARACTERS_MAX:
            raise RequestError(f"text has more than {TEXT_CHARACTERS_MAX:,} characters")
        message = await chats.say(
            text, conversation=str(asked.get("conversation") or ""), new=bool(asked.get("new"))
        )
        return said({"message": message.id, "conversation": message.conversation}, status=202)

    async def wait(request: Request) -> JSONResponse:
        seconds = number(request, "wait_seconds", default=0, most=WAIT_SECONDS_MAX)
        try:
            wanted = int(request.path_params["id"])
        except ValueError as exc:
            raise NotFoundError("a message is known by its number") from exc
        message, answer = await chats.wait(wanted, seconds=seconds)
        return said({"message": message.json(), "answer": answer.json() if answer else None})

    return [
        Route("/chats", listed),
        Route("/chats", say, methods=["POST"]),
        Route("/chats/{id}", whole),
        Route("/chat-messages/{id}", wait),
    ]


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request."""
    try:
        asked = await request.json()
    except ValueError as exc:
        raise RequestError("the body is not JSON") from exc
    if not isinstance(asked, dict):
        raise RequestError("the body must be a JSON object")
    return asked
