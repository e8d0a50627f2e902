"""The file of the last deaths."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from twotier.supervisor.death import Kind
from twotier.supervisor.history import KEPT, DeathNote, read, write


def note(number: int, code: int | None = -9) -> DeathNote:
    at = datetime(2026, 3, 10, 4, number, tzinfo=UTC)
    return DeathNote(at, "killed", Kind.MEMORY, "started again", ("exit: SIGKILL",), code, 7.5)


def test_what_is_written_is_read_again_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "engines" / "local.deaths"
    notes = tuple(note(number) for number in range(KEPT + 3))
    write(path, notes)
    assert read(path) == notes[3:]
    assert path.stat().st_mode & 0o777 == 0o600
    write(path, (note(1, None),))
    assert read(path) == (note(1, None),)


def test_a_file_that_is_not_ours_is_no_history(tmp_path: Path) -> None:
    """Nobody dies of a broken history."""
    path = tmp_path / "local.deaths"
    assert read(path) == ()
    for text in ("", "[]", '{"deaths": [{}]}', '{"deaths": 3}'):
        path.write_text(text)
        assert read(path) == ()
    write(path, (note(1),))
    path.write_text(path.read_text().replace('["exit: SIGKILL"]', "3"))
    assert read(path) == ()
