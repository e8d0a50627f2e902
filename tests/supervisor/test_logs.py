"""The log file of a child that holds it itself."""

from __future__ import annotations

import os
from pathlib import Path

from twotier.supervisor import logs


def test_each_life_has_a_log_and_five_old_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    logs.rotate(path)  # nothing there: nothing to do
    for life in range(8):
        path.write_text(f"life {life}")
        logs.rotate(path)
    assert not path.exists()
    kept = [(tmp_path / f"engine.log.{n}").read_text() for n in range(1, logs.KEEP + 1)]
    assert kept == [f"life {life}" for life in (7, 6, 5, 4, 3)]
    assert len(list(tmp_path.iterdir())) == logs.KEEP


def test_an_empty_log_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.touch()
    logs.rotate(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_running_writer_goes_on_at_the_new_start(tmp_path: Path) -> None:
    """Its descriptor is foreign to us and stays good: no holes, no lost file."""
    path = tmp_path / "engine.log"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(handle, b"old line\n" * 10)
        assert not logs.cut(path, bytes_max=100)
        os.write(handle, b"more\n" * 10)
        assert logs.cut(path, bytes_max=100)
        os.write(handle, b"new line\n")
        assert path.read_text() == "new line\n"
        assert (tmp_path / "engine.log.1").read_text().startswith("old line\n")
    finally:
        os.close(handle)


def test_the_last_lines_are_without_empty_ones_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    assert logs.last_lines(path) == ()
    path.write_bytes(b"\xff\n" + b"x" * 100_000 + b"\n\nfirst\n\n  \nlast\n")
    assert logs.last_lines(path, lines_max=2) == ("first", "last")
    assert sum(map(len, logs.last_lines(path))) <= logs.TAIL_BYTES
    assert not logs.cut(tmp_path / "none.log", bytes_max=1)
