"""Conversations: each message that came in is answered once, whatever dies in between.

What came in is stored before anything else; a few answerers take the oldest message whose
conversation nobody works on. A model call carries a key made of the message, so that one which was
finished before a kill is not paid for again. A channel is a way in and out, such as a messenger:
it is read from where it was read last, and takes an answer part by part. A part may arrive twice
if we die in the moment between its arrival and our note of it: no messenger takes a key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from twotier.domain.clock import Clock
from twotier.domain.label import NO_LABELS, Labels
from twotier.errors import (
    ApprovalWaitsError,
    DeliveryError,
    NotRunningError,
    PausedError,
    TwotierError,
    UpstreamError,
)
from twotier.jobs.chat_store import REFUSED, SENT, ChatStore, Incoming, Message, Replied
from twotier.jobs.chat_text import Line, parts_of

LOG = logging.getLogger("twotier.chat")

ANSWERERS = 3
PAUSE_SECONDS_MIN = 2.0
PAUSE_SECONDS_MAX = 60.0
TRIES_MAX = 8
APPROVAL_SECONDS = 3.0  # between two looks whether the owner has said yes or no
# Main says by these that the same question may get an answer a little later; 409: that it is
# answering it right now, for the one we were before a kill.
PASSING = frozenset({409, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Talk:
    """What is to be answered: the conversation up to a message, and what was read in it. `key` is
    the same after a kill.
    """

    conversation: str
    key: str
    lines: tuple[Line, ...]
    taint: Labels = NO_LABELS


Answers = Callable[[Talk], Awaitable[Replied]]  # raises what `MainClient.chat` raises


class Channel(Protocol):
    """A way in and out, such as a messenger. `units_max` is the longest message it takes."""

    name: str
    units_max: int

    async def receive(self, cursor: int) -> tuple[Sequence[Incoming], int]:
        """Wait for messages past the cursor; they, and the next cursor. Raises `DeliveryError`."""
        ...

    async def reply(self, peer: str, text: str) -> None:
        """Send a text. Raises `DeliveryError`, `refused` where another try cannot help."""
        ...


class Chats:
    """All conversations. `run` answers them; the command line asks through `say` and `wait`."""

    def __init__(
        self, store: ChatStore, answer: Answers, *, channels: Sequence[Channel], clock: Clock
    ) -> None:
        self.store = store
        self._answer = answer
        self._channels: Mapping[str, Channel] = {one.name: one for one in channels}
        self._clock = clock
        self._busy: set[str] = set()
        self._came = asyncio.Event()  # something may be without an answer
        self._made = asyncio.Condition()  # an answer was stored

    async def run(self) -> None:
        """Answer for ever."""
        self._came.set()
        async with asyncio.TaskGroup() as group:
            for _ in range(ANSWERERS):
                group.create_task(self._answers())
            for channel in self._channels.values():
                group.create_task(self._reads(channel))
                group.create_task(self._sends(channel))

    async def say(self, text: str, *, conversation: str = "", new: bool = False) -> Message:
        """A message of the command line."""
        message = await self.store.say(text, conversation=conversation, new=new)
        self._came.set()
        return message

    async def wait(self, number: int, *, seconds: float) -> tuple[Message, Message | None]:
        """A message and its answer, as soon as it has one or the time has passed."""
        found = await self.store.answer_to(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._made:
                while (found := await self.store.answer_to(number))[1] is None:
                    await self._made.wait()
        return found

    async def _answers(self) -> None:
        """Take one message after another."""
        while True:
            async with self._taken() as message:
                if message is not None:
                    await self._one(message)
                    continue
            await self._came.wait()

    @asynccontextmanager
    async def _taken(self) -> AsyncIterator[Message | None]:
        """The next message, its conversation busy meanwhile; None where all have answers."""
        self._came.clear()
        message = await self.store.next_new(self._busy)
        if message is not None and message.conversation in self._busy:
            message = None  # another took it while we asked; it will wake us
        if message is None:
            yield None
            return
        self._busy.add(message.conversation)
        try:
            yield message
        finally:
            self._busy.discard(message.conversation)
            self._came.set()

    async def _one(self, message: Message) -> None:
        """Answer one message: with what a model says, or with why none says anything."""
        lines = tuple(await self.store.lines(message))
        taint = await self.store.taint(message.conversation)
        talk = Talk(message.conversation, key=str(message.id), lines=lines, taint=taint)
        replied = await self._asked(talk)
        await self.store.answered(message, replied)
        LOG.info("chat answered", extra={"chat": message.conversation, "tier": replied.tier})
        async with self._made:
            self._made.notify_all()

    async def _asked(self, talk: Talk) -> Replied:
        failures = 0
        while True:
            try:
                return await self._answer(talk)
            except ApprovalWaitsError:  # it expires to a no by itself, and then there is an answer
                await self._clock.sleep(APPROVAL_SECONDS)
            except TwotierError as exc:
                failures += 1
                if not passing(exc) or failures == TRIES_MAX:
                    return Replied(f"No answer: {exc.message}")
                pause = exc.retry_after_seconds or PAUSE_SECONDS_MIN * 2.0 ** (failures - 1)
                await self._clock.sleep(min(PAUSE_SECONDS_MAX, pause))

    async def _reads(self, channel: Channel) -> None:
        """Read a channel for ever, from where it was read last."""
        failures = 0
        while True:
            cursor = await self.store.cursor(channel.name)
            try:
                incoming, cursor_next = await channel.receive(cursor)
            except DeliveryError as exc:
                failures += 1
                await self._rest(channel, exc, failures=failures)
                continue
            failures = 0
            if cursor_next != cursor:
                await self.store.took(channel.name, incoming, cursor=cursor_next)
                self._came.set()

    async def _sends(self, channel: Channel) -> None:
        """Send what is not sent yet, and what is answered from now on."""
        failures = 0
        while True:
            try:
                for peer, message in await self.store.unsent(channel.name):
                    await self._send(channel, peer, message=message)
            except DeliveryError as exc:
                failures += 1
                await self._rest(channel, exc, failures=failures)
                continue
            failures = 0
            async with self._made:
                if not await self.store.unsent(channel.name):
                    await self._made.wait()

    async def _send(self, channel: Channel, peer: str, *, message: Message) -> None:
        """Send the parts of an answer that have not been taken yet."""
        parts = parts_of(message.text, units_max=channel.units_max) or ["(empty)"]
        for number in range(message.parts_sent, len(parts)):
            try:
                await channel.reply(peer, parts[number])
            except DeliveryError as exc:
                if not exc.refused:
                    raise
                LOG.warning("chat answer refused", extra={"channel": channel.name})
                await self.store.sent(message, parts=number, state=REFUSED)
                return
            state = SENT if number + 1 == len(parts) else message.state
            await self.store.sent(message, parts=number + 1, state=state)

    async def _rest(self, channel: Channel, error: DeliveryError, *, failures: int) -> None:
        """Say that a channel cannot be used, and wait a little longer each time."""
        LOG.warning("chat channel failed", extra={"channel": channel.name, "error": error.noted})
        pause = error.retry_after_seconds or PAUSE_SECONDS_MIN * 2.0 ** min(failures - 1, 5)
        await self._clock.sleep(min(PAUSE_SECONDS_MAX, pause))


def passing(error: TwotierError) -> bool:
    """Whether the same question may get an answer a little later."""
    if isinstance(error, PausedError | NotRunningError):
        return True
    if isinstance(error, UpstreamError):
        return error.upstream_status in PASSING
    return error.status in PASSING and error.status != 500  # a defect does not pass
