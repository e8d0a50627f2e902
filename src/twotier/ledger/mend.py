"""What is done at start with a ledger that is not whole: kept aside, replaced, and not believed.

A damaged or absent file is replaced by its last good backup; one that only lost its end, or whose
sums are not those of its rows, stays, and the sums are made anew. In each case nobody knows what
was really spent, so the ledger is *held*: every limit counts as reached until its owner confirms.
The hold is in the new file before the witness is reset: a crash in between finds the loss again.
"""

from __future__ import annotations

import logging
import math
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from twotier.errors import LedgerError
from twotier.ledger.backup import STAMP, backups, made_at, restore
from twotier.ledger.check import Condition, examine
from twotier.ledger.store import FILE_MODE
from twotier.ledger.witness import witnessed

START_SECONDS = 1.0  # a start must not take longer for a ledger of years
CONFIRM = "twotier spend confirm"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mended:
    """`held` is the sentence for the owner, empty if all is well; `days` need their sums anew.

    `whole` is False where a part of the file was not looked at yet.
    """

    held: str = ""
    days: tuple[int, ...] = ()
    whole: bool = True


def suspect_path(path: Path) -> Path:
    """If it exists, something was wrong while the ledger was open: look at all of it."""
    return path.with_name(f"{path.name}-suspect")


def suspect(path: Path, because: str) -> None:
    """Note that the next start must look at the whole file."""
    try:
        suspect_path(path).write_text(f"{because}\n", encoding="utf-8")
        suspect_path(path).chmod(FILE_MODE)
    except OSError as exc:
        log.warning("ledger_suspicion_unwritable path=%s cause=%s", path, exc)


def mend(path: Path, *, now: datetime) -> Mended:
    """Look at the file before it is opened, and put something in its place if it cannot be used.

    Raises `LedgerError` where neither can be done.
    """
    seen_moves = witnessed(path)
    try:
        if not path.exists() or not path.stat().st_size:
            if not seen_moves and not backups(path):
                return Mended()
            return _replaced(path, "it was gone", now=now)
        seconds = math.inf if suspect_path(path).exists() else START_SECONDS
        found = examine(path, seconds=seconds, seen_moves=seen_moves)
        if found.broken:
            return _replaced(path, f"it was damaged: {found.broken}", now=now)
        if found.well:
            return Mended(whole=found.whole)
        return _kept(path, found, now=now)
    except (OSError, sqlite3.Error) as exc:
        raise LedgerError(
            f"the ledger {path} cannot be looked at or replaced: {exc}; free disk space, and end"
            " other programs that hold the file"
        ) from exc


def _replaced(path: Path, because: str, *, now: datetime) -> Mended:
    aside = _aside(path, now)
    for ending in ("", "-wal", "-shm"):
        if (old := Path(f"{path}{ending}")).exists():
            old.replace(f"{aside}{ending}")
    backup = restore(path)
    kept = f" It is kept as {aside.name}." if aside.exists() else ""
    if backup is None:
        instead = "There is no backup, so an empty one is in its place"
    else:
        instead = f"Its backup of {made_at(backup):%Y-%m-%d %H:%M} UTC is in its place"
    held = _sentence(now, because, then=f"{kept} {instead}; what was spent since is not known")
    log.error("ledger_replaced path=%s because=%s", path, held)
    return Mended(held)


def _kept(path: Path, found: Condition, *, now: datetime) -> Mended:
    aside = _aside(path, now)
    try:
        for ending in ("", "-wal"):
            if (old := Path(f"{path}{ending}")).exists():
                shutil.copyfile(old, f"{aside}{ending}")
                Path(f"{aside}{ending}").chmod(FILE_MODE)
        kept = f" A copy of it is kept as {aside.name}."
    except OSError as exc:  # no room for a copy: the file itself is still there
        kept = f" No copy of it could be kept ({exc.strerror})."
        Path(f"{aside}").unlink(missing_ok=True)
    because = (
        f"its end was lost, {found.lost}"
        if found.lost
        else f"the sums of {len(found.days)} days were not those of their rows"
    )
    held = _sentence(now, because, then=f"{kept} What was spent is not known for certain")
    log.error("ledger_doubtful path=%s because=%s", path, held)
    return Mended(held, found.days, found.whole)


def _sentence(now: datetime, because: str, *, then: str) -> str:
    return (
        f"the ledger was not whole at the start of {now:%Y-%m-%d %H:%M} UTC: {because}.{then},"
        f" so every limit counts as reached until you say `{CONFIRM}`."
    )


def _aside(path: Path, now: datetime) -> Path:
    return path.with_name(f"{path.name}.broken-{now.strftime(STAMP)}")
