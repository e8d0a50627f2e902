"""The inbox: every text file once, nothing else, and never silence instead of an error."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.jobs.making import HandClock
from twotier.errors import WatchError
from twotier.watch.base import Around, Look
from twotier.watch.kinds import make

SETTINGS = {
    "kind": "files",
    "path": "inbox",
    "match": ("*.txt", "*.md"),
    "settle_seconds": 2.0,
    "item_bytes_max": 100,
}


class Inbox:
    """A folder and its watcher."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "inbox"
        self.folder.mkdir()
        stamp = self.folder.stat().st_mtime
        self.clock = HandClock(datetime.fromtimestamp(stamp, UTC) + timedelta(hours=1))
        self.watcher = make(SETTINGS, Around(home, self.clock))

    def look(self, cursor: Any = None) -> Look:
        return asyncio.run(self.watcher.look(cursor))

    def drop(self, name: str, content: bytes = b"text") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def titles(look: Look) -> list[str]:
    return [item.title for item in look.items]


def test_files_that_are_there_at_the_first_look_are_new(inbox: Inbox) -> None:
    """It is an inbox: what lies in it wants to be done. After that, nothing is new."""
    inbox.drop("a.txt")
    first = inbox.look()
    assert titles(first) == ["a.txt"]
    second = inbox.look(first.cursor)
    assert (second.items, second.cursor) == ((), first.cursor)


def test_the_same_file_is_the_same_item_whatever_its_times_are(inbox: Inbox) -> None:
    """Touched, moved away and back, or found without a cursor: the id stays. New text, new id."""
    path = inbox.drop("a.txt", b"first")
    first = inbox.look()
    os.utime(path, (1_000_000_000, 1_000_000_000))
    touched = inbox.look(first.cursor)
    assert [item.id for item in touched.items] == [item.id for item in first.items]
    inbox.drop("a.txt", b"second")
    changed = inbox.look(touched.cursor)
    assert changed.items[0].id != first.items[0].id
    inbox.drop("b.txt", b"second")
    assert inbox.look(changed.cursor).items[0].id != changed.items[0].id


def test_oldest_files_come_first(inbox: Inbox) -> None:
    """An inbox is worked through in order."""
    for age, name in ((300, "late.txt"), (100, "later.txt"), (500, "early.txt")):
        path = inbox.drop(name)
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
    assert titles(inbox.look()) == ["early.txt", "late.txt", "later.txt"]


def test_a_file_still_being_written_waits(inbox: Inbox) -> None:
    """It counts once it was left alone for `settle_seconds`."""
    path = inbox.drop("a.txt")
    changed = datetime.fromtimestamp(path.stat().st_ctime, UTC)
    now = Inbox.__new__(Inbox)
    now.watcher = make(
        SETTINGS, Around(inbox.folder.parent, HandClock(changed + timedelta(seconds=1.9)))
    )
    early = now.look()
    assert (early.items, early.cursor) == ((), {})
    assert titles(inbox.look(early.cursor)) == ["a.txt"]


def test_a_time_in_the_future_does_not_hold_a_file_back(inbox: Inbox) -> None:
    """Copied from a machine whose clock is ahead."""
    path = inbox.drop("a.txt")
    ahead = inbox.clock.now().timestamp() + 86_400
    os.utime(path, (ahead, ahead))
    assert titles(inbox.look()) == ["a.txt"]


def test_other_things_in_the_folder_are_left_alone(inbox: Inbox, tmp_path: Path) -> None:
    """Hidden and temporary files, other names, folders, empty files, links that lead out."""
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    for name in (".hidden.txt", "a.txt~", "a.txt.part", "a.tmp", "#a.txt#", "image.png"):
        inbox.drop(name)
    inbox.drop("empty.txt", b"")
    (inbox.folder / "folder.txt").mkdir()
    (inbox.folder / "out.txt").symlink_to(outside)
    (inbox.folder / "nowhere.txt").symlink_to(tmp_path / "nothing")
    assert inbox.look() == Look((), {})


def test_a_long_file_is_cut_between_characters_and_says_how_much(inbox: Inbox) -> None:
    """The cut falls inside a two-byte character, which is dropped and not shown damaged."""
    inbox.drop("long.txt", b"x" * 99 + "\u00e9".encode() * 50)
    (item,) = inbox.look().items
    assert (item.text, item.bytes_cut) == ("x" * 99, 99)


def test_damaged_text_is_shown_as_such(inbox: Inbox) -> None:
    """Latin-1 is readable enough; the wrong bytes are marked, not dropped."""
    inbox.drop("latin.txt", b"caf\xe9 au lait")
    (item,) = inbox.look().items
    assert item.text == "caf\ufffd au lait"


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\x89PNG\r\n\0\0", "is not a text file"), (b" \n\n", "is empty")],
)
def test_what_cannot_be_read_is_told_with_its_reason(
    inbox: Inbox, content: bytes, says: str
) -> None:
    """Once: the cursor has it, so the next look is quiet."""
    inbox.drop("a.txt", content)
    look = inbox.look()
    assert look.items == ()
    assert says in look.unreadable[0].because
    assert inbox.look(look.cursor).unreadable == ()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, so where the tests are root they are somebody else meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_file_without_permission_is_told() -> None:
    """The other files are not held up by it."""
    with TemporaryDirectory() as folder:  # pytest's own folders are closed to nobody
        Path(folder).chmod(0o755)
        inbox = Inbox(Path(folder))
        inbox.drop("closed.txt").chmod(0)
        inbox.drop("open.txt")
        with as_nobody():
            look = inbox.look()
    assert titles(look) == ["open.txt"]
    assert "closed.txt cannot be read: Permission denied" in look.unreadable[0].because


def test_a_missing_folder_is_could_not_look(inbox: Inbox) -> None:
    """Not the same as an empty one."""
    inbox.folder.rmdir()
    with pytest.raises(WatchError, match="does not exist; create it"):
        inbox.look()
    inbox.folder.write_text("a file")
    with pytest.raises(WatchError, match="cannot be read"):
        inbox.look()


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    """With the kinds there are."""
    with pytest.raises(WatchError, match=r"known: .*files"):
        make({"kind": "moon"}, Around(tmp_path, HandClock()))
