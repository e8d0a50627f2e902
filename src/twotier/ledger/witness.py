"""A number beside the ledger's file that says how far it had come, so that a lost end is seen.

SQLite drops the end of a damaged write-ahead log without a word, and an absent file is a new one.
So after each commit the count of the ledger's moves (`rollups.moves`) is written into a small file
of its own, in place and not synced: that survives the process, and after a power cut it may be
behind the ledger, never ahead. A ledger that has fewer moves than its witness has lost some.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from twotier.ledger.store import FILE_MODE

_DIGITS = 20

log = logging.getLogger(__name__)


def witness_path(path: Path) -> Path:
    """Where the witness of this ledger lies."""
    return path.with_name(f"{path.name}-moves")


def witnessed(path: Path) -> int:
    """The moves this ledger is known to have had; 0 if nobody saw any."""
    try:
        return int(witness_path(path).read_bytes()[:_DIGITS])
    except (OSError, ValueError):
        return 0


class Witness:
    """Writes the number. Never raises: what it cannot write only makes it a weaker witness."""

    def __init__(self, path: Path) -> None:
        self._path = witness_path(path)
        self._descriptor = -1

    def note(self, moves: int) -> None:
        """The ledger on disk has come this far."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, FILE_MODE)
            os.pwrite(self._descriptor, b"%0*d\n" % (_DIGITS, moves), 0)
        except OSError as exc:
            log.warning("ledger_witness_unwritable path=%s cause=%s", self._path, exc)
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
