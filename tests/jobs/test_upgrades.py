"""A `work.db` of any earlier version is opened, and every row is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filled import bring_to, fill, kept, read, revisions
from twotier.jobs.database import HEAD, MIGRATIONS, Database, connect, place_of, version


@pytest.mark.parametrize("revision", revisions(MIGRATIONS)[:-1])
def test_every_row_of_every_table_is_kept(tmp_path: Path, revision: str) -> None:
    """Whatever stands in it, in all columns that there were."""
    path = tmp_path / "work.db"
    engine = connect(place_of(path))
    bring_to(engine, revision, MIGRATIONS)
    engine.dispose()
    before = fill(path)
    assert all(before.values()), "a table without rows proves nothing"
    Database.open(path).close()
    engine = connect(place_of(path))
    assert version(engine) == HEAD
    engine.dispose()
    assert kept(before, read(path)) == []
