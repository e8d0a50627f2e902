"""What the ledger needs while it is open: backups, the rest of the check, old rows deleted.

All of it in the background and at a low pace: a backup is one read in a thread, old rows go a few
hundred at a time and only while nothing waits to be written. What fails is tried again an hour
later, and stands in the log.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from dataclasses import dataclass
from datetime import timedelta

from twotier.domain.clock import Clock
from twotier.errors import LedgerError
from twotier.ledger.backup import back_up, backups, made_at
from twotier.ledger.book import Book
from twotier.ledger.check import examine
from twotier.ledger.mend import CONFIRM, suspect

LOOK_SECONDS = 600.0
AFTER_FAILURE_SECONDS = 3600.0
STEP_SECONDS = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keeping:
    """Rows are kept for so many days (0: for ever), so many backups, one each so many hours."""

    keep_days: int = 400
    backup_hours: float = 6.0
    backups_kept: int = 4


class Upkeep:
    """`run` until it is cancelled."""

    def __init__(self, book: Book, keeping: Keeping, *, clock: Clock) -> None:
        self._book = book
        self._keeping = keeping
        self._clock = clock

    async def run(self) -> None:
        """Never returns."""
        checked = self._book.checked
        while True:
            pause_seconds = LOOK_SECONDS
            try:
                if not checked:
                    await self.look()
                    checked = True
                await self.back_up()
                await self.prune()
            except LedgerError as exc:
                log.warning("ledger_upkeep_failed because=%s", exc.message)
                pause_seconds = AFTER_FAILURE_SECONDS
            await self._clock.sleep(pause_seconds)

    async def look(self) -> None:
        """At all of the file, however long it takes. What is wrong holds every limit at once."""
        path = self._book.path
        try:
            found = await asyncio.to_thread(examine, path, seconds=math.inf)
        except sqlite3.Error as exc:
            raise LedgerError(f"the ledger {path} could not be looked at: {exc}") from exc
        if found.well:
            return
        because = found.broken or f"the sums of {len(found.days)} days are not those of their rows"
        suspect(path, because)
        await self._book.hold(
            f"the ledger is not whole: {because}. Start twotier again: it keeps the file aside and"
            f" mends it; until then, and until you say `{CONFIRM}`, every limit counts as reached."
        )

    async def back_up(self) -> None:
        """Where the last one is too old."""
        now, hours = self._clock.now(), self._keeping.backup_hours
        if not self._keeping.backups_kept or self._book.held:
            return  # what is held may be damaged, and must not push a good backup out
        made = [at for backup in backups(self._book.path) if (at := made_at(backup))]
        if made and max(made) > now - timedelta(hours=hours):
            return
        keep = self._keeping.backups_kept
        done = await asyncio.to_thread(back_up, self._book.path, now=now, keep=keep)
        log.info("ledger_backed_up file=%s", done.name)

    async def prune(self) -> None:
        """Rows older than are kept, until there are none."""
        if not self._keeping.keep_days:
            return
        before = self._clock.now() - timedelta(days=self._keeping.keep_days)
        while self._book.busy or await self._book.prune(before):
            await self._clock.sleep(STEP_SECONDS)
