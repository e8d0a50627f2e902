"""Databases with all their tables and nothing in them, made once by each process that runs tests.

To make one takes longer than most tests that need one. How they are made and migrated is tested
where that is the question (`ledger/test_migrate.py`, `jobs/test_results.py`); those lay none.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from dbos import run_dbos_database_migrations

from twotier.jobs.database import Database
from twotier.ledger.migrate import migrate
from twotier.ledger.store import create_private

NAMES = ("ledger.db", "work.db", "engine.db")


def laid(path: Path) -> Path:
    """The path, where now an empty database of that name lies if there was none."""
    if not path.exists():
        path.touch(mode=0o600)
        shutil.copyfile(_made() / path.name, path)
    return path


@functools.cache
def _made() -> Path:
    """The folder of the originals."""
    folder = Path(tempfile.mkdtemp(prefix="twotier-stores-"))
    ledger, work, engine = (folder / name for name in NAMES)
    create_private(ledger)
    migrate(ledger)
    Database.open(work).close()
    run_dbos_database_migrations(f"sqlite:///{engine}")
    return folder
