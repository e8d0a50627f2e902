"""Files that grow are read once, from where the last look ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twotier.outside import walk
from twotier.outside.walk import Cursor, Place, pieces, read_on


def look(root: Path, cursors: dict[str, Cursor], *, since: float = 0.0) -> list[bytes]:
    """One look; the cursors move on."""
    lines: list[bytes] = []
    for piece in pieces(Place(root, "*.jsonl"), cursors, since_seconds=since):
        cursors[piece.cursor.key] = piece.cursor
        lines += piece.lines
    return lines


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    """Whole lines; the last one waits until it ends."""
    cursors: dict[str, Cursor] = {}
    file = tmp_path / "project" / "a.jsonl"
    file.parent.mkdir()
    file.write_bytes(b"one\ntw")
    (tmp_path / "notes.txt").write_bytes(b"no log\n")
    assert look(tmp_path, cursors) == [b"one"]
    assert look(tmp_path, cursors) == []
    with file.open("ab") as more:
        more.write(b"o\nthree\n")
    assert look(tmp_path, cursors) == [b"two", b"three"]
    assert look(tmp_path, cursors) == []


def test_a_file_that_was_replaced_or_cut_is_read_anew(tmp_path: Path) -> None:
    """By its inode, or because it is shorter."""
    cursors: dict[str, Cursor] = {}
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"one\ntwo\n")
    look(tmp_path, cursors)
    file.write_bytes(b"new\n")
    assert look(tmp_path, cursors) == [b"new"]
    other = tmp_path / "b.tmp"
    other.write_bytes(b"third\nfourth\n")
    other.replace(file)
    assert look(tmp_path, cursors) == [b"third", b"fourth"]


def test_a_look_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks, and in bytes; a line that fits no chunk is passed over."""
    monkeypatch.setattr(walk, "CHUNK_BYTES", 8)
    monkeypatch.setattr(walk, "LOOK_BYTES_MAX", 16)
    cursors: dict[str, Cursor] = {}
    (tmp_path / "a.jsonl").write_bytes(b"1\n2\n3\n4\n" * 4 + b"x" * 20 + b"\nend\n")
    seen = [look(tmp_path, cursors) for _ in range(6)]
    assert seen[0] == seen[1] == [b"1", b"2", b"3", b"4"] * 2
    assert [line for found in seen for line in found][-1] == b"end"
    assert seen[-1] == []
    monkeypatch.setattr(walk, "FILES_MAX", 1)
    (tmp_path / "b.jsonl").write_bytes(b"b\n")
    (tmp_path / "c.jsonl").write_bytes(b"c\n")
    assert len({cursor.key for cursor in cursors.values()}) == 1
    look(tmp_path, cursors)
    assert len(cursors) == 2


def test_old_files_and_links_are_left_alone(tmp_path: Path) -> None:
    """A link may lead anywhere."""
    (tmp_path / "old.jsonl").write_bytes(b"old\n")
    os.utime(tmp_path / "old.jsonl", (1_000, 1_000))
    outside = tmp_path / "elsewhere.txt"
    outside.write_bytes(b"secret\n")
    (tmp_path / "link.jsonl").symlink_to(outside)
    assert look(tmp_path, {}, since=2_000) == []
    assert read_on(tmp_path / "link.jsonl", None) is None
    assert read_on(tmp_path / "gone.jsonl", None) is None
    assert look(tmp_path / "nowhere", {}) == []
