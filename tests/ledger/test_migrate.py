"""The tables on disk are the tables in the code, and a change is whole or not there at all."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.ledger.toys import HandClock, daily, paid
from twotier.errors import LedgerError
from twotier.ledger.book import Book
from twotier.ledger.migrate import HEAD, SCRIPTS, migrate, stored_revision
from twotier.ledger.schema import metadata
from twotier.ledger.store import connect, create_private, migrating_engine


def tables(path: Path) -> dict[str, str]:
    """Every table and index with its SQL, apart from Alembic's own."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in found if "alembic" not in name}


def new(folder: Path, name: str = "ledger.db") -> Path:
    path = folder / name
    create_private(path)
    return path


def test_head_is_alembics_head() -> None:
    """The shortcut that skips importing Alembic must not skip a migration."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_the_migrated_tables_are_those_of_the_code(tmp_path: Path) -> None:
    """To the letter, conditions of partial indexes included, and by Alembic's own comparison."""
    migrated, made = new(tmp_path), new(tmp_path, "made.db")
    migrate(migrated)
    engine = migrating_engine(made)
    metadata.create_all(engine)
    assert tables(migrated) == tables(made)
    engine = migrating_engine(migrated)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_current_file_is_opened_without_alembic(tmp_path: Path) -> None:
    """Alembic costs most of a second to import: only a file that needs it pays for it."""
    path = new(tmp_path)
    migrate(path)
    code = (
        "import sys; from pathlib import Path; from twotier.ledger.migrate import migrate; "
        f"migrate(Path({str(path)!r})); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """Another program holds a table's name: the file is as before, and the next try works."""
    path = new(tmp_path)
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE meta (other TEXT)")
    with pytest.raises(LedgerError, match="cannot be brought up to date"):
        migrate(path)
    assert list(tables(path)) == ["meta"]
    assert stored_revision(path) == ""
    with closing(connect(path)) as connection:
        connection.execute("DROP TABLE meta")
    migrate(path)
    assert stored_revision(path) == HEAD


def test_a_ledger_of_the_first_version_keeps_its_rows(tmp_path: Path) -> None:
    """Brought to the tables of today, whatever lies in it, and its sums go on from there."""
    path = new(tmp_path)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = migrating_engine(path)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    assert "ix_usage_paid_client" not in tables(path)

    async def opened() -> None:
        book = await Book.open(path, clock=HandClock())
        await book.reserve(paid("b", 20, client="phone"))
        (state,) = await book.budgets([daily(100, client="phone")])
        assert state.reserved_microusd == 20
        assert [row.attempt_id for row in await book.recent(9)] == ["b", "a"]
        await book.close()

    with closing(connect(path)) as old:
        names = [row[1] for row in old.execute("PRAGMA table_info(usage)")]
        values = {"attempt_id": "a", "created_ms": 1, "settled": "settled", "outcome": "ok"}
        words = ", ".join("?" for _ in names)
        old.execute(f"INSERT INTO usage VALUES ({words})", [values.get(one, 0) for one in names])
    asyncio.run(opened())
    assert stored_revision(path) == HEAD


def test_a_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = new(tmp_path)
    migrate(path)
    with closing(connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerError, match="newer twotier"):
        migrate(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    async def opened() -> None:
        with pytest.raises(LedgerError, match=r"ledger\.db cannot be opened"):
            await Book.open(tmp_path / "file" / "ledger.db", clock=HandClock())

    asyncio.run(opened())
