"""One question of a probe: by the same path as every request, heard as a client hears it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from twotier.dispatch import Answer, Dispatch
from twotier.domain.clock import Clock
from twotier.domain.message import (
    Dialect,
    Event,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCallBegan,
    Usage,
)
from twotier.domain.money import Settlement
from twotier.domain.task import Caller
from twotier.errors import KIND_CHARACTERS_MAX, DeadlineError, TwotierError, UpstreamError
from twotier.learned.verdicts import Verdicts
from twotier.matrix.heard import Heard
from twotier.protocols import INBOUND, OUTBOUND
from twotier.protocols.assemble import Assembly
from twotier.protocols.toolcalls.base import Kind

ASK_SECONDS_MAX = 300.0
FULL_SECONDS_MAX = 1_500.0  # a question that fills a large window
CALLER = Caller(private=True, client="cli", probe=True)
WIRE: Dialect = "openai_chat"


class Asked(msgspec.Struct, frozen=True):
    """What was heard, and what the book says of it; None where no tier was asked."""

    heard: Heard
    end: Settlement | None


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one tier. `verdicts` hears how each attempt ended."""

    dispatch: Dispatch
    verdicts: Verdicts
    clock: Clock
    tier: str
    seconds_max: float = ASK_SECONDS_MAX

    async def ask(self, body: Mapping[str, Any], *, talk_chars_max: float = math.inf) -> Asked:
        """The answer to one question, or why there is none. Leaves one that only talks."""
        began = self.clock.monotonic()
        wanted = {**body, "model": self.tier, "stream": True}
        wanted["stream_options"] = {"include_usage": True}
        request = INBOUND[WIRE].read_request(msgspec.json.encode(wanted))
        ear = _Ear(self.clock, talk_chars_max)
        name = ""
        try:
            async with asyncio.timeout(self.seconds_max):
                answer = await self.dispatch.answer(request, CALLER)
                name = answer.headers["x-twotier-request"]
                await ear.listen(answer)
        except TwotierError as exc:
            ear.error, name = kind_of(exc), name or exc.request_id
        except TimeoutError:
            ear.error = DeadlineError.code
        end = self.verdicts.end_of(name)
        kinds = () if end is None else end.repairs
        repairs = kinds.count(Kind.LEAKED) + kinds.count(Kind.BENT)
        return Asked(ear.heard(began, repairs=repairs), end)


def kind_of(error: TwotierError) -> str:
    """What went wrong in a word that may be kept: never a sentence, which may quote a prompt."""
    if isinstance(error, UpstreamError):
        return error.upstream_kind[:KIND_CHARACTERS_MAX]
    return error.code


class _Ear:
    """Folds an answer while it comes."""

    def __init__(self, clock: Clock, talk_chars_max: float) -> None:
        self.error = ""
        self._clock = clock
        self._talk_chars_max = talk_chars_max
        self._assembly = Assembly()
        self._text: list[str] = []
        self._chars = 0
        self._called = False
        self._first = 0.0

    @property
    def _talks(self) -> bool:
        return not self._called and self._chars > self._talk_chars_max

    async def listen(self, answer: Answer) -> None:
        """To its end, or until it talks too much."""
        reader = OUTBOUND[WIRE].stream_reader()
        try:
            while (chunk := await answer.read()) and not self._talks:
                self._fold(reader.feed(chunk))
        finally:
            await answer.close()

    def heard(self, began: float, *, repairs: int) -> Heard:
        """What it comes to."""
        seconds = self._clock.monotonic() - began
        first = self._first - began if self._first else seconds
        if self._talks:
            parts: Sequence[Text] = (Text("".join(self._text)),)
            return Heard(parts, left=True, first_seconds=first, seconds=seconds)
        try:
            whole = None if self.error else self._assembly.whole()
        except TwotierError as exc:
            self.error, whole = kind_of(exc), None
        if whole is None:
            return Heard(error=self.error, first_seconds=first, seconds=seconds)
        usage: Usage | None = whole.usage
        return Heard(
            whole.parts,
            whole.finish,
            usage,
            first_seconds=first,
            seconds=seconds,
            repairs=repairs,
        )

    def _fold(self, events: Sequence[Event]) -> None:
        for event in events:
            self._assembly.fold(event)
            match event:
                case TextDelta(text=text):
                    self._text.append(text)
                    self._chars += len(text)
                case ToolCallBegan():
                    self._called = True
                case ReasoningDelta():
                    pass
                case _:
                    continue
            self._first = self._first or self._clock.monotonic()
