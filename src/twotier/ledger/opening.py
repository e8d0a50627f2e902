"""Everything that happens once per life of the ledger's file, before anything is written to it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from twotier.errors import LedgerError
from twotier.ledger.entries import Entries
from twotier.ledger.mend import Mended, mend, suspect_path
from twotier.ledger.meta import HELD, put
from twotier.ledger.migrate import migrate
from twotier.ledger.rollups import fill_rollups, rebuild
from twotier.ledger.store import connect, create_private, owner_of, transaction
from twotier.ledger.witness import Witness


@dataclass(frozen=True, slots=True)
class Opened:
    """`recovered` rows of an earlier life were charged at their bound. `held`: why every limit
    counts as reached, empty if it does not. `whole` is False where a part was not looked at yet.
    """

    owner: str
    recovered: int
    held: str
    whole: bool


def prepare(path: Path, *, owner: str, now: datetime) -> Opened:
    """Blocking: look at the file, mend it, make or migrate it (mode 0600), charge what is open.

    `owner` is the gateway's name in its rows; without one, a name that is kept in the folder.
    Raises `LedgerError` if the file is too new, or cannot be written.
    """
    mended = mend(path, now=now)
    create_private(path)
    migrate(path)
    owner = owner or owner_of(path)
    try:
        connection = connect(path)
        try:
            with transaction(connection):
                entries = _begun(connection, owner, mended=mended)
                recovered = entries.recover(now=now)
                entries.seal()
            entries.committed()
        finally:
            connection.close()
        witness = Witness(path)
        witness.note(entries.moves)
        witness.close()
        suspect_path(path).unlink(missing_ok=True)
        return Opened(owner, recovered, entries.held, mended.whole)
    except (OSError, sqlite3.Error) as exc:
        raise LedgerError(
            f"the ledger {path} cannot be written: {exc}; free disk space or restore its backup"
        ) from exc


def _begun(connection: sqlite3.Connection, owner: str, *, mended: Mended) -> Entries:
    """The sums as they should be, and the hold where there is a reason for one."""
    fill_rollups(connection)
    rebuild(connection, mended.days)
    if mended.held:
        put(connection, HELD, value=mended.held)
    return Entries(connection, owner=owner)
