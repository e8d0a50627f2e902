"""Clients that say of each answer what they saw: whole, an error, a broken connection, or a lie.

They read the wire themselves, as the SDKs take a stream that ends properly without its terminator
for an answer. What nobody may ever see is `LIE`: something that looks whole and is not.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp

SECONDS_MAX = 60.0
PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions", "responses": "/v1/responses"}
# What ends a good stream in each dialect.
ENDS = {
    "messages": '"type":"message_stop"',
    "chat": "data:[DONE]",
    "responses": "response.completed",
}


class Seen(StrEnum):
    """What a client saw in the end."""

    WHOLE = "whole"
    ERROR = "error"  # a status that says so, or an error event in the stream
    BROKEN = "broken"  # the connection ended in mid-answer, or was refused
    LIE = "lie"  # looks like an answer, and is not what the model said


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: the model repeats `words` words, so each number has its own price."""

    words: int
    model: str = "frontier"
    dialect: str = "messages"
    stream: bool = True

    @property
    def text(self) -> str:
        """What a whole answer says."""
        return " ".join(["word"] * self.words)

    @property
    def body(self) -> dict[str, Any]:
        """As the dialect wants it."""
        said = f"say: {self.text}"
        if self.dialect == "responses":
            return {"model": self.model, "input": said, "stream": self.stream}
        turns = [{"role": "user", "content": said}]
        return {"model": self.model, "messages": turns, "max_tokens": 4_096, "stream": self.stream}


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a question. `request_id` is ours, empty where no head came."""

    ask: Ask
    seen: Seen
    status: int = 0
    request_id: str = ""
    tier: str = ""
    detail: str = ""


@dataclass
class Crowd:
    """Clients of one gateway. `told` has all that was seen, in the order of its ends."""

    address: str
    key: str
    told: list[Told] = field(default_factory=list)

    async def all(self, asks: list[Ask], *, at_once: int = 50) -> list[Told]:
        """Ask all of them, at most so many at a time."""
        room = asyncio.Semaphore(at_once)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one(ask: Ask) -> Told:
                async with room:
                    return await self.one(session, ask)

            return list(await asyncio.gather(*(one(ask) for ask in asks)))

    async def one(self, session: aiohttp.ClientSession, ask: Ask) -> Told:
        """Ask and say what was seen."""
        told = await self._asked(session, ask)
        self.told.append(told)
        return told

    async def _asked(self, session: aiohttp.ClientSession, ask: Ask) -> Told:
        status, head, raw = 0, {}, b""
        try:
            async with (
                asyncio.timeout(SECONDS_MAX),
                session.post(
                    self.address + PATHS[ask.dialect],
                    json=ask.body,
                    headers={"authorization": f"Bearer {self.key}"},
                ) as reply,
            ):
                status, head = reply.status, dict(reply.headers)
                async for piece in reply.content.iter_any():
                    raw += piece
            seen, detail = judged(ask, status, text=raw.decode())
        except (aiohttp.ClientError, ConnectionError) as exc:
            seen, detail = Seen.BROKEN, repr(exc)
        named = {name.lower(): value for name, value in head.items()}
        ids = named.get("x-twotier-request-id", named.get("request-id", ""))
        return Told(ask, seen, status, ids, named.get("x-twotier-tier", ""), detail)


def judged(ask: Ask, status: int, *, text: str) -> tuple[Seen, str]:
    """What a body is that came to its proper end."""
    if status >= 400:
        named = "error" in json.loads(text)
        return (Seen.ERROR if named else Seen.LIE), text[:300]
    said = streamed(ask, text) if ask.stream else spoken(ask, json.loads(text))
    ended = ENDS[ask.dialect] in text.replace(": ", ":")
    if ask.stream and '"error"' in text and not ended:
        return Seen.ERROR, text[-300:]
    whole = said == ask.text and (not ask.stream or ended)
    return (Seen.WHOLE, "") if whole else (Seen.LIE, text[-300:])


def streamed(ask: Ask, text: str) -> str:
    """The words in the events of a stream."""
    said = ""
    for line in text.splitlines():
        if not line.startswith("data:") or line[5:].strip() == "[DONE]":
            continue
        event = json.loads(line[5:])
        match ask.dialect:
            case "messages" if event["type"] == "content_block_delta":
                said += event["delta"].get("text", "")
            case "chat":
                for choice in event.get("choices", ()):
                    said += choice["delta"].get("content") or ""
            case "responses" if event["type"] == "response.output_text.delta":
                said += event["delta"]
    return said


def spoken(ask: Ask, answer: dict[str, Any]) -> str:
    """The words of an answer in one piece."""
    if ask.dialect == "messages":
        return "".join(block.get("text", "") for block in answer["content"])
    if ask.dialect == "chat":
        return str(answer["choices"][0]["message"]["content"])
    items = [item for item in answer["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in items for part in item["content"])
