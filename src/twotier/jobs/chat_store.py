"""Conversations in `work.db`: what was said, what has no answer yet, what was not sent yet.

A message from a messenger is stored together with how far its channel has been read, so none is
lost and none is read twice. An answer is stored together with the mark that its message has one.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.domain.label import NO_LABELS, Label, Labels
from twotier.errors import NotFoundError
from twotier.jobs.chat_text import Line, title_of
from twotier.jobs.database import Database
from twotier.jobs.store import instant, ms
from twotier.jobs.tables import channel_cursors, conversations, messages

CLI = "cli"
NEW, ANSWERED = "new", "answered"  # of what a person said
READY, SENT, REFUSED = "ready", "sent", "refused"  # of an answer
START_WORDS = frozenset({"/new", "/start"})  # what a messenger's user says for a new conversation


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from a messenger. `id` is the channel's own, `peer` is where an answer goes."""

    id: str
    peer: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """A row of `messages`."""

    id: int
    conversation: str
    role: str
    text: str
    state: str
    answers: int | None
    parts_sent: int
    tier: str
    model: str
    tokens: int
    cost_microusd: int
    at_ms: int

    def json(self) -> dict[str, Any]:
        """As the private API shows it."""
        return {
            "id": self.id,
            "conversation": self.conversation,
            "role": self.role,
            "text": self.text,
            "state": self.state,
            "tier": self.tier,
            "model": self.model,
            "tokens": self.tokens,
            "cost_microusd": self.cost_microusd,
            "at": instant(self.at_ms).isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Replied:
    """What a model answered. `taint` holds the labels of what was read for it."""

    text: str
    tier: str = ""
    model: str = ""
    tokens: int = 0
    cost_microusd: int = 0
    taint: Labels = NO_LABELS


FIELDS = tuple(messages.c[name] for name in Message.__dataclass_fields__)


class ChatStore:
    """The three tables of conversations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def cursor(self, channel: str) -> int:
        """How far a channel has been read; 0 at first."""

        def work(connection: sa.Connection) -> int:
            wanted = sa.select(channel_cursors.c.value).where(channel_cursors.c.channel == channel)
            return int(connection.scalar(wanted) or 0)

        return await self._database.do(work)

    async def took(self, channel: str, incoming: Sequence[Incoming], *, cursor: int) -> int:
        """Store what came in, and how far the channel has been read. How many were new."""

        def work(connection: sa.Connection) -> int:
            count = sum(self._take(connection, channel, one=one) for one in incoming)
            done = connection.execute(
                channel_cursors.update()
                .where(channel_cursors.c.channel == channel)
                .values(value=cursor)
            )
            if not done.rowcount:
                connection.execute(channel_cursors.insert().values(channel=channel, value=cursor))
            return count

        return await self._database.do(work)

    def _take(self, connection: sa.Connection, channel: str, *, one: Incoming) -> bool:
        source = f"{channel}:{one.id}"
        known = sa.select(messages.c.id).where(messages.c.source == source)
        if connection.scalar(known) is not None:
            return False
        word, _, rest = one.text.strip().partition(" ")
        starts = word in START_WORDS
        text = rest.strip() if starts else one.text
        home = None if starts else self._latest(connection, channel, peer=one.peer)
        home = home or self._begin(connection, channel, peer=one.peer, text=text)
        if text:
            self._add(connection, home, text=text, source=source)
        return bool(text)

    async def say(self, text: str, *, conversation: str = "", new: bool = False) -> Message:
        """A message of the command line, in the conversation named, else in the latest one."""

        def work(connection: sa.Connection) -> Message:
            home: str | None = conversation
            if conversation:
                self._known(connection, conversation)
            else:
                home = None if new else self._latest(connection, CLI, peer="")
            home = home or self._begin(connection, CLI, peer="", text=text)
            return self._one(connection, self._add(connection, home, text=text, source=None))

        return await self._database.do(work)

    async def next_new(self, busy: Collection[str]) -> Message | None:
        """The oldest message without an answer, of a conversation that is not `busy`."""

        def work(connection: sa.Connection) -> Message | None:
            wanted = (
                sa.select(*FIELDS)
                .where(messages.c.state == NEW, messages.c.conversation.not_in(list(busy)))
                .order_by(messages.c.id)
                .limit(1)
            )
            row = connection.execute(wanted).first()
            return None if row is None else Message(*row)

        return await self._database.do(work)

    async def lines(self, message: Message) -> list[Line]:
        """All that was said up to a message, oldest first: each question with its answer."""

        def work(connection: sa.Connection) -> list[Line]:
            # An answer stands after its own question, though others came meanwhile.
            place = sa.func.coalesce(messages.c.answers, messages.c.id)
            wanted = (
                sa.select(messages.c.role, messages.c.text)
                .where(messages.c.conversation == message.conversation, place <= message.id)
                .where(messages.c.text != "")  # it has expired
                .order_by(place, messages.c.id)
            )
            return [Line(*row) for row in connection.execute(wanted)]

        return await self._database.do(work)

    async def taint(self, conversation: str) -> Labels:
        """All that was read in a conversation so far: it only grows."""

        def work(connection: sa.Connection) -> Labels:
            wanted = sa.select(messages.c.taint).where(messages.c.conversation == conversation)
            words = " ".join(connection.scalars(wanted)).split()
            return frozenset(Label(word) for word in words)

        return await self._database.do(work)

    async def answered(self, message: Message, replied: Replied) -> bool:
        """Store an answer, once: whether it was this one."""

        def work(connection: sa.Connection) -> bool:
            done = connection.execute(
                messages.update()
                .where(messages.c.id == message.id, messages.c.state == NEW)
                .values(state=ANSWERED)
            )
            if not done.rowcount:
                return False
            home = conversations.c.id == message.conversation
            channel = connection.scalar(sa.select(conversations.c.channel).where(home))
            now = ms(self._clock.now())
            connection.execute(
                messages.insert().values(
                    conversation=message.conversation,
                    role="assistant",
                    text=replied.text,
                    state=SENT if channel == CLI else READY,
                    answers=message.id,
                    tier=replied.tier,
                    model=replied.model,
                    tokens=replied.tokens,
                    cost_microusd=replied.cost_microusd,
                    taint=" ".join(sorted(replied.taint)),
                    at_ms=now,
                )
            )
            connection.execute(conversations.update().where(home).values(used_ms=now))
            return True

        return await self._database.do(work)

    async def answer_to(self, number: int) -> tuple[Message, Message | None]:
        """A message and its answer, if it has one. Raises `NotFoundError`."""

        def work(connection: sa.Connection) -> tuple[Message, Message | None]:
            message = self._one(connection, number)
            row = connection.execute(sa.select(*FIELDS).where(messages.c.answers == number)).first()
            return message, None if row is None else Message(*row)

        return await self._database.do(work)

    async def unsent(self, channel: str) -> list[tuple[str, Message]]:
        """Answers that a channel has not taken yet, with where they go, oldest first."""

        def work(connection: sa.Connection) -> list[tuple[str, Message]]:
            wanted = (
                sa.select(conversations.c.peer, *FIELDS)
                .join(conversations, conversations.c.id == messages.c.conversation)
                .where(messages.c.state == READY, conversations.c.channel == channel)
                .order_by(messages.c.id)
                .limit(50)
            )
            return [(row[0], Message(*row[1:])) for row in connection.execute(wanted)]

        return await self._database.do(work)

    async def sent(self, message: Message, *, parts: int, state: str) -> None:
        """So many parts of an answer have been taken."""

        def work(connection: sa.Connection) -> None:
            connection.execute(
                messages.update()
                .where(messages.c.id == message.id)
                .values(parts_sent=parts, state=state)
            )

        await self._database.do(work)

    async def listed(self, limit: int) -> list[dict[str, Any]]:
        """The conversations, the latest first."""

        def work(connection: sa.Connection) -> list[dict[str, Any]]:
            count = sa.func.count(messages.c.id)
            cost = sa.func.coalesce(sa.func.sum(messages.c.cost_microusd), 0)
            wanted = (
                sa.select(*conversations.c, count.label("messages"), cost.label("cost_microusd"))
                .outerjoin(messages, messages.c.conversation == conversations.c.id)
                .group_by(conversations.c.id)
                .order_by(conversations.c.used_ms.desc())
                .limit(limit)
            )
            return [told(row) for row in connection.execute(wanted).mappings()]

        return await self._database.do(work)

    async def whole(self, conversation: str) -> list[Message]:
        """All messages of a conversation. Raises `NotFoundError`."""

        def work(connection: sa.Connection) -> list[Message]:
            self._known(connection, conversation)
            place = sa.func.coalesce(messages.c.answers, messages.c.id)
            wanted = (
                sa.select(*FIELDS)
                .where(messages.c.conversation == conversation)
                .order_by(place, messages.c.id)
            )
            return [Message(*row) for row in connection.execute(wanted)]

        return await self._database.do(work)

    def _latest(self, connection: sa.Connection, channel: str, *, peer: str) -> str | None:
        wanted = (
            sa.select(conversations.c.id)
            .where(conversations.c.channel == channel, conversations.c.peer == peer)
            .order_by(conversations.c.used_ms.desc(), conversations.c.created_ms.desc())
            .limit(1)
        )
        found: str | None = connection.scalar(wanted)
        return found

    def _begin(self, connection: sa.Connection, channel: str, *, peer: str, text: str) -> str:
        identity = secrets.token_hex(4)
        now = ms(self._clock.now())
        connection.execute(
            conversations.insert().values(
                id=identity,
                channel=channel,
                peer=peer,
                title=title_of(text) or "new",
                created_ms=now,
                used_ms=now,
            )
        )
        return identity

    def _add(self, connection: sa.Connection, home: str, *, text: str, source: str | None) -> int:
        now = ms(self._clock.now())
        done = connection.execute(
            messages.insert().values(
                conversation=home, role="user", text=text, state=NEW, source=source, at_ms=now
            )
        )
        connection.execute(
            conversations.update().where(conversations.c.id == home).values(used_ms=now)
        )
        (number,) = done.inserted_primary_key or (0,)
        return int(number)

    def _one(self, connection: sa.Connection, number: int) -> Message:
        row = connection.execute(sa.select(*FIELDS).where(messages.c.id == number)).first()
        if row is None:
            raise NotFoundError(f"there is no message {number}")
        return Message(*row)

    def _known(self, connection: sa.Connection, conversation: str) -> None:
        wanted = sa.select(conversations.c.id).where(conversations.c.id == conversation)
        if connection.scalar(wanted) is None:
            raise NotFoundError(
                f"there is no conversation {conversation!r}; see `twotier chat list`"
            )


def run_of(conversation: str, message: int | str) -> str:
    """The run that answers a message with tools: the same after a kill."""
    return f"chat-{conversation}-{message}"


def told(row: Any) -> dict[str, Any]:
    """A conversation as the private API shows it. Whom a messenger calls what stays inside."""
    return {
        "id": row["id"],
        "channel": row["channel"],
        "title": row["title"],
        "messages": row["messages"],
        "cost_microusd": row["cost_microusd"],
        "created_at": instant(row["created_ms"]).isoformat(),
        "used_at": instant(row["used_ms"]).isoformat(),
    }
