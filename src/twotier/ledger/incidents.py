"""Incidents and the messages about them, as rows: a restart neither repeats nor forgets one.

Written behind like findings, but what belongs together is in one transaction: an incident without
its message would never be heard of. Targets and secrets of channels have no column here.
"""

from __future__ import annotations

import sqlite3

import msgspec
import sqlalchemy as sa

from twotier.ledger.findings import keep_sql
from twotier.ledger.schema import alert_messages, incidents

PENDING = "pending"


class IncidentRow(msgspec.Struct, frozen=True):
    """One incident; `ended_ms` is 0 while it is open."""

    key: str
    opened_ms: int
    about: str
    kind: str
    text: str
    severity: str
    ended_ms: int


class MessageRow(msgspec.Struct, frozen=True):
    """A message to one channel. `state`: pending, sent, joined (in a digest) or dropped."""

    id: str
    channel: str
    created_ms: int
    due_ms: int
    tries: int
    severity: str
    title: str
    text: str
    facts: str
    state: str = PENDING
    error: str = ""


class Alerted(msgspec.Struct, frozen=True):
    """Rows that are written together. What was over before `forget_before_ms` is deleted."""

    incidents: tuple[IncidentRow, ...] = ()
    messages: tuple[MessageRow, ...] = ()
    forget_before_ms: int = 0

    def write(self, connection: sqlite3.Connection) -> None:
        """Inside the transaction."""
        connection.executemany(_INCIDENT, map(msgspec.structs.astuple, self.incidents))
        connection.executemany(_MESSAGE, map(msgspec.structs.astuple, self.messages))
        if self.forget_before_ms:
            before = (self.forget_before_ms,)
            connection.execute(_FORGET_INCIDENTS, before)
            connection.execute(_FORGET_MESSAGES, before)


class Unfinished(msgspec.Struct, frozen=True):
    """What the life before left: open incidents, messages on their way; the oldest first."""

    incidents: tuple[IncidentRow, ...] = ()
    messages: tuple[MessageRow, ...] = ()


_INCIDENT = keep_sql(incidents, IncidentRow)
_MESSAGE = keep_sql(alert_messages, MessageRow)
_FORGET_INCIDENTS = "DELETE FROM incidents WHERE ended_ms > 0 AND ended_ms < ?"
_FORGET_MESSAGES = f"DELETE FROM alert_messages WHERE state != '{PENDING}' AND created_ms < ?"  # noqa: S608 - our own word


def unfinished(connection: sa.Connection) -> Unfinished:
    """See `Unfinished`."""
    open_ = sa.select(incidents).where(incidents.c.ended_ms == 0).order_by(incidents.c.opened_ms)
    pending = sa.select(alert_messages).where(alert_messages.c.state == PENDING)
    pending = pending.order_by(alert_messages.c.created_ms, alert_messages.c.id)
    return Unfinished(
        tuple(IncidentRow(**row) for row in connection.execute(open_).mappings()),
        tuple(MessageRow(**row) for row in connection.execute(pending).mappings()),
    )
