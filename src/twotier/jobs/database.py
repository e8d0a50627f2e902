"""Opens `work.db`: SQLite with a write-ahead log, one writing process, one thread.

Everything goes through a single thread, because pooled writers of one SQLite file only wait for
each other (measured: p99 of 400 to 900 ms against 4). The file is for the owner alone; SQLite
gives its side files the same mode.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from twotier.errors import JobError

# The newest migration. A database that already has it is opened without loading Alembic, which
# would cost a quarter of a second and 15 MB for nothing.
HEAD = "0006"
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 10_000

T = TypeVar("T")


class Database:
    """The file, its one connection and its one thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="work-db")

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open, create or migrate the file. Raises `JobError` when that is not possible."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            engine = connect(path)
            migrate(engine)
        except (OSError, sa.exc.DatabaseError) as exc:
            reason = exc.orig if isinstance(exc, sa.exc.DatabaseError) else exc.strerror
            raise JobError(
                f"{path} cannot be opened ({reason}); check the disk, or set the file aside"
            ) from exc
        return cls(engine)

    async def do(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction: all of it is stored, or none."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    def _do(self, work: Callable[[sa.Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    async def compact(self) -> None:
        """Leave nothing of deleted rows in the file, nor in the log beside it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._compact)

    def _compact(self) -> None:
        raw = self._engine.raw_connection()
        try:
            cursor = raw.cursor()
            for order in ("wal_checkpoint(TRUNCATE)", "VACUUM", "wal_checkpoint(TRUNCATE)"):
                cursor.execute(order if order == "VACUUM" else f"PRAGMA {order}")
            cursor.close()
        finally:
            raw.close()

    def close(self) -> None:
        """Let the last transaction finish and close the file."""
        self._thread.shutdown(wait=True)
        self._engine.dispose()


def connect(path: Path) -> sa.Engine:
    """An engine with our settings. A transaction takes the write lock at its start, not midway."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def settings(connection: Any, _record: Any) -> None:
        for pragma in (
            f"busy_timeout = {BUSY_MS}",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def migrate(engine: sa.Engine) -> None:
    """Bring the file to `HEAD`. A file from a newer twotier is refused, not guessed at."""
    found = version(engine)
    if found == HEAD:
        return
    if found > HEAD:
        raise JobError(
            f"work.db was written by a newer twotier (schema {found}, this one knows {HEAD});"
            " install that version again"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def version(engine: sa.Engine) -> str:
    """The migration the file has, empty for a new file."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or "")
