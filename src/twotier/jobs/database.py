"""Opens `work.db`: SQLite with a write-ahead log, or a PostgreSQL database that workers share.

Everything goes through a single thread, because pooled writers of one SQLite file only wait for
each other (measured: p99 of 400 to 900 ms against 4). On PostgreSQL a transaction takes a lock of
its own at its start, so that there too one writes at a time: what is right on one is right on the
other. The file is for the owner alone; SQLite gives its side files the same mode.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import QueuePool, StaticPool

from twotier.errors import JobError

# The newest migration. A database that already has it is opened without loading Alembic, which
# would cost a quarter of a second and 15 MB for nothing.
HEAD = "0010"
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 10_000
CONNECT_SECONDS = 10
LOCK = "SELECT pg_advisory_xact_lock(7780931)"  # any number, the same in all workers

T = TypeVar("T")


class Database:
    """The database, its one connection and its one thread. `shared`: other workers may use it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="work-db")

    @classmethod
    def open(cls, path: Path, *, url: str = "") -> Database:
        """Open, create or migrate the file, or the PostgreSQL database of `url`.

        Raises `JobError` when that is not possible.
        """
        place = place_of(path, url=url)
        try:
            engine = connect(place)
            migrate(engine)
        except (OSError, sa.exc.DatabaseError) as exc:
            raise JobError(cannot_be_opened(place, exc)) from exc
        return cls(engine)

    @property
    def shared(self) -> bool:
        """Whether workers of other machines may use it at the same time."""
        return not is_sqlite(self._engine.url)

    async def do(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction: all of it is stored, or none."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    def _do(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except sa.exc.OperationalError as exc:
            raise JobError(
                f"{shown_url(self._engine.url)} cannot be used now ({first_line(exc)}); check the"
                " disk or the server"
            ) from exc

    async def compact(self) -> None:
        """Leave nothing of deleted rows in the file, nor in the log beside it.

        A server does that in its own time.
        """
        if is_sqlite(self._engine.url):
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
        """Let the last transaction finish and close it."""
        self._thread.shutdown(wait=True)
        self._engine.dispose()


def place_of(path: Path, *, url: str = "") -> sa.URL:
    """The file, or what `url` names. Raises `JobError` for a URL that is none of PostgreSQL's."""
    if not url:
        return sa.URL.create("sqlite", database=str(path))
    try:
        found = sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise JobError(
            "the URL of the jobs' database cannot be read; write postgresql://USER@HOST/NAME"
        ) from exc
    if found.get_backend_name() not in ("postgresql", "postgres"):
        raise JobError(f"jobs are kept in SQLite or PostgreSQL, not in {found.drivername}")
    return found.set(drivername="postgresql+psycopg")


def is_sqlite(url: sa.URL) -> bool:
    """Whether it is a file of ours."""
    return url.get_backend_name() == "sqlite"


def shown_url(url: sa.URL) -> str:
    """The place without its password."""
    return str(url.database) if is_sqlite(url) else url.render_as_string(hide_password=True)


def first_line(error: sa.exc.DBAPIError) -> str:
    """What the database said, in a line."""
    return str(error.orig).strip().partition("\n")[0]


def cannot_be_opened(url: sa.URL, error: OSError | sa.exc.DatabaseError) -> str:
    """The sentence of it."""
    reason = first_line(error) if isinstance(error, sa.exc.DatabaseError) else error.strerror
    then = "check the disk, or set the file aside" if is_sqlite(url) else "check the server"
    return f"{shown_url(url)} cannot be opened ({reason}); {then}"


def connect(url: sa.URL | Path) -> sa.Engine:
    """An engine with our settings. A transaction takes the write lock at its start, not midway."""
    place = place_of(url) if isinstance(url, Path) else url
    return connect_sqlite(place) if is_sqlite(place) else connect_postgres(place)


def connect_sqlite(url: sa.URL) -> sa.Engine:
    """One connection to a file for its owner alone."""
    os.close(os.open(str(url.database), os.O_CREAT | os.O_RDWR, 0o600))
    engine = sa.create_engine(
        url,
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


def connect_postgres(url: sa.URL) -> sa.Engine:
    """One connection, which is looked at before it is used: a server may have been restarted."""
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_SECONDS},
    )

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(LOCK)

    return engine


def insert_of(connection: sa.Connection, table: sa.Table) -> Any:
    """An insert that can say what is to happen where the row is there already."""
    return insert_in(connection.dialect.name, table)


def insert_in(dialect: str, table: sa.Table) -> Any:
    """The same, where only the name of the dialect is known."""
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)


def insert_new(connection: sa.Connection, table: sa.Table, *, values: Mapping[str, Any]) -> bool:
    """Insert the row unless one of its key is there. Returns whether it was inserted."""
    insert = _insert_new(connection.dialect.name, table)
    return connection.execute(insert, values).first() is not None


@cache
def _insert_new(dialect: str, table: sa.Table) -> sa.Insert:
    """To make a statement costs more than to execute it. The row is told by what comes back: a
    driver may not know how many rows it wrote.
    """
    insert = insert_in(dialect, table).on_conflict_do_nothing()
    made: sa.Insert = insert.returning(sa.literal_column("1"))
    return made


def migrate(engine: sa.Engine) -> None:
    """Bring the database to `HEAD`. One from a newer twotier is refused, not guessed at."""
    found = version(engine)
    if found == HEAD:
        return
    if found > HEAD:
        raise JobError(
            f"{'work.db' if is_sqlite(engine.url) else shown_url(engine.url)} was written by a"
            f" newer twotier (schema {found}, this one knows {HEAD}); install that version again"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def version(engine: sa.Engine) -> str:
    """The migration it has, empty for a new one."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or "")
