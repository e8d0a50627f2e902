"""Which lock is in force: the first, until a person says otherwise; and back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from twotier.engines import pinned
from twotier.errors import EngineError


def lock(folder: Path, name: str, words: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"x==1 --hash=sha256:{words}\n")
    return path


def test_a_newer_shipped_lock_changes_nothing_by_itself(tmp_path: Path) -> None:
    """What was first made stays in force, through its copy."""
    shipped, folder = lock(tmp_path, "toy.txt", "aa"), tmp_path / "engines"
    assert pinned.Pinned(shipped, folder).in_force == shipped
    pinned.Pinned(shipped, folder).hold()
    old = pinned.key(shipped)
    lock(tmp_path, "toy.txt", "bb")
    pinned.Pinned(shipped, folder).hold()
    assert pinned.key(pinned.Pinned(shipped, folder).in_force) == old
    assert pinned.Pinned(shipped, folder).in_force.name == "toy.txt"


def test_there_and_back(tmp_path: Path) -> None:
    """Each knows the other as the one before; twice the same is one."""
    shipped, folder = lock(tmp_path, "toy.txt", "aa"), tmp_path / "engines"
    other = lock(tmp_path / "given", "other.txt", "cc")
    with pytest.raises(EngineError, match="no earlier environment of toy"):
        pinned.Pinned(shipped, folder).back()
    pinned.Pinned(shipped, folder).hold()
    pinned.Pinned(shipped, folder).switch(other)
    pinned.Pinned(shipped, folder).switch(other)
    assert pinned.Pinned(shipped, folder).read() == pinned.Pins(
        pinned.key(other), pinned.key(shipped)
    )
    pinned.Pinned(shipped, folder).back()
    assert pinned.key(pinned.Pinned(shipped, folder).in_force) == pinned.key(shipped)
    pinned.Pinned(shipped, folder).back()
    assert pinned.key(pinned.Pinned(shipped, folder).in_force) == pinned.key(other)


def test_mains_that_start_at_once_pin_one_lock(tmp_path: Path) -> None:
    """One wrote to the name from which the other had moved its file: its start failed."""
    shipped, folder = lock(tmp_path, "toy.txt", "aa"), tmp_path / "engines"
    together = Barrier(8)

    def start(_: int) -> None:
        together.wait(60)
        for _ in range(20):
            pinned.Pinned(shipped, folder).keep(shipped)
            pinned.Pinned(shipped, folder).hold()

    with ThreadPoolExecutor(8) as mains:
        list(mains.map(start, range(8)))
    assert pinned.Pinned(shipped, folder).read() == pinned.Pins(pinned.key(shipped))
    left = {path.name for path in (folder / "pins").rglob("*") if path.is_file()}
    assert left == {"toy.json", "toy.txt"}


def test_a_lock_without_hashes_is_refused_and_a_torn_file_is_none(tmp_path: Path) -> None:
    """Nothing is installed unchecked; a file that cannot be read means the shipped lock."""
    shipped, folder = lock(tmp_path, "toy.txt", "aa"), tmp_path / "engines"
    loose = tmp_path / "loose.txt"
    loose.write_text("x==1\n")
    with pytest.raises(EngineError, match="generate-hashes"):
        pinned.Pinned(shipped, folder).keep(loose)
    pinned.Pinned(shipped, folder).hold()
    (folder / "pins" / "toy.json").write_text("{")
    assert pinned.Pinned(shipped, folder).in_force == shipped
