"""How long conversations are kept, and how they are forgotten.

As with runs, texts go first and rows later. A message's row stays, without its text, for as long as
its conversation: what its making has read still taints what is said next. A conversation goes when
nothing was said in it for long enough. What has no answer yet, or was not sent yet, stays.

An answer that was made with tools was a run (`run_of`), of which the engine and the folder of
artifacts hold texts too; whoever calls this is told which runs those are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from twotier.errors import JobError, NotFoundError
from twotier.jobs.chat_store import NEW, READY, run_of
from twotier.jobs.chat_text import title_of
from twotier.jobs.tables import conversations, messages

JOB = "chat"  # whose the audit, the approvals and the costs of conversations are
WAITING = (NEW, READY)


def silenced(connection: sa.Connection, before_ms: int) -> list[str]:
    """Take the texts of what was said before; the runs that made answers to it."""
    old = sa.and_(
        messages.c.at_ms < before_ms, messages.c.text != "", messages.c.state.not_in(WAITING)
    )
    rows = connection.execute(sa.select(messages).where(old)).all()
    connection.execute(sa.update(messages).where(old).values(text=""))
    titled = sa.select(conversations.c.id).where(
        conversations.c.created_ms < before_ms, conversations.c.title != ""
    )
    for conversation in connection.scalars(titled).all():
        retitle(connection, conversation)
    return [run_of(row.conversation, row.id) for row in rows if row.role == "user"]


def retitle(connection: sa.Connection, conversation: str) -> None:
    """Name it by the first words that are left: its title was made of the first ones of all."""
    left = (
        sa.select(messages.c.text)
        .where(messages.c.conversation == conversation, messages.c.text != "")
        .where(messages.c.role == "user")
        .order_by(messages.c.id)
        .limit(1)
    )
    title = title_of(str(connection.scalar(left) or ""))
    same = conversations.c.id == conversation
    connection.execute(sa.update(conversations).where(same).values(title=title))


def ended(connection: sa.Connection, before_ms: int) -> list[str]:
    """Drop conversations in which nothing was said since; the runs that made their answers."""
    waiting = sa.select(messages.c.conversation).where(messages.c.state.in_(WAITING))
    query = sa.select(conversations.c.id).where(
        conversations.c.used_ms < before_ms, conversations.c.id.not_in(waiting)
    )
    ids = list(connection.scalars(query))
    run_ids = runs_of(connection, ids)
    _ = list(dropped(connection, ids))
    return run_ids


def named(connection: sa.Connection, conversation: str = "") -> list[str]:
    """The conversation, or all of them, to be forgotten. Raises `NotFoundError`, and `JobError`
    where something in it has no answer yet.
    """
    query = sa.select(conversations.c.id)
    query = query.where(conversations.c.id == conversation) if conversation else query
    ids = list(connection.scalars(query))
    if conversation and not ids:
        raise NotFoundError(f"there is no conversation {conversation!r}; see `twotier chat list`")
    asked = sa.select(messages.c.conversation).where(messages.c.state == NEW)
    for one in connection.scalars(asked):
        if one in ids:
            raise JobError(f"the conversation {one} is being answered; wait for its answer")
    return ids


def runs_of(connection: sa.Connection, ids: Sequence[str]) -> list[str]:
    """The runs that made answers in these conversations."""
    query = sa.select(messages.c.conversation, messages.c.id).where(messages.c.role == "user")
    return [run_of(*row) for row in connection.execute(query) if row[0] in ids]


def dropped(connection: sa.Connection, ids: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Delete these conversations; how many rows of which table."""
    for table, key in ((messages, messages.c.conversation), (conversations, conversations.c.id)):
        count = 0
        for one in ids:
            count += connection.execute(sa.delete(table).where(key == one)).rowcount
        if count:
            yield table.name, count
