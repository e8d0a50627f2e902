"""Clients at a keyboard: they ask, read what comes, perhaps leave, and say what they saw.

They read the wire themselves, because SDKs take a stream that just ends for an answer. What nobody
may ever see is a lie: something that looks whole and is not what the model said.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.crowd import Ask, Seen, judged
from tests.simulator.front import Asked, Main

SECONDS_MAX = 1_200.0
OUTPUT_TOKENS_MAX = 900
PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions", "responses": "/v1/responses"}


@dataclass(frozen=True)
class Question:
    """What is asked when. `filler` words make each prompt, and so each price, another one."""

    at: float
    number: int
    words: int
    filler: int
    model: str
    dialect: str
    stream: bool
    leaves_after: float | None = None

    @property
    def ask(self) -> Ask:
        """As the judge of the fault suite knows it."""
        return Ask(self.words, self.model, self.dialect, self.stream)

    @property
    def body(self) -> dict[str, Any]:
        """As the dialect wants it."""
        said = "filler " * self.filler + f"now say {self.words} words"
        if self.dialect == "responses":
            more = {"stream": self.stream, "max_output_tokens": OUTPUT_TOKENS_MAX}
            return {"model": self.model, "input": said, **more}
        more = {"stream": self.stream, "max_tokens": OUTPUT_TOKENS_MAX}
        return {"model": self.model, "messages": [{"role": "user", "content": said}], **more}


@dataclass(frozen=True)
class Told:
    """What became of it."""

    question: Question
    seen: Seen | None  # None: it left
    status: int = 0
    detail: str = ""


class Person:
    """One question to its end."""

    def __init__(self, question: Question, say: Callable[..., None]) -> None:
        self.question = question
        self._say = say
        self._heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def ask(self, main: Main) -> Told:
        """Ask the main that runs now."""
        told = await self._asked(main)
        seen = "left" if told.seen is None else told.seen.value
        more = {"detail": told.detail} if told.detail else {}
        self._say("told", number=self.question.number, seen=seen, status=told.status, **more)
        return told

    async def _asked(self, main: Main) -> Told:
        question = self.question
        if not main.ready:
            return Told(question, Seen.BROKEN)
        body = json.dumps(question.body).encode()
        loop: Any = asyncio.get_running_loop()
        asked = Asked(PATHS[question.dialect], {}, body, loop, self._heard.put_nowait)
        main.take(asked)
        seconds = question.leaves_after or SECONDS_MAX
        try:
            async with asyncio.timeout(seconds):
                return await self._read()
        except TimeoutError:
            assert question.leaves_after is not None, f"no end within {SECONDS_MAX} s: {question}"
            return Told(question, None)
        finally:
            main.left(asked)

    async def _read(self) -> Told:
        question, status, raw = self.question, 0, b""
        while (message := await self._heard.get()) is not None:
            if message["type"] == "http.response.start":
                status = message["status"]
                continue
            raw += message["body"]
            if not message.get("more_body"):
                seen, detail = judged(question.ask, status, text=raw.decode())
                return Told(question, seen, status, detail)
        return Told(question, Seen.BROKEN, status)
