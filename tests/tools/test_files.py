"""Files of a job, on a real disk with real links: what is read, what is closed, what is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.tools.benches import bench, used
from twotier.domain.label import Label
from twotier.errors import ToolError
from twotier.tools.base import Tool
from twotier.tools.files import LINES_MAX, LISTED_MAX, MATCHES_MAX, make
from twotier.tools.settings import Sizes, Wanted


def tool(name: str, root: Path, *targets: str, **more: Any) -> Tool:
    (made,) = make(Wanted(name, targets), bench(root, **more))
    return made


def read(root: Path, path: str, **more: Any) -> str:
    return used(tool("read_file", root), {"path": path, **more}).text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A job's folder, and a secret beside it."""
    (tmp_path / "secret.txt").write_text("outside")
    made = tmp_path / "files"
    (made / "notes").mkdir(parents=True)
    (made / "notes" / "a.md").write_text("one\ntwo\nthree\n")
    (made / "b.txt").write_text("Two words")
    return made


def test_a_file_is_read_by_lines(root: Path) -> None:
    """All of a short one; of a long one the part that was asked for, and how much there is."""
    assert read(root, "notes/a.md") == "one\ntwo\nthree"
    assert read(root, "./notes//a.md", start=2, lines=1) == "two\n[lines 2 to 2 of 3]"
    assert read(root, "notes/a.md", start=9) == "[3 lines]"
    (root / "long.txt").write_text("x\n" * 1_000)
    assert read(root, "long.txt").endswith(f"[lines 1 to {LINES_MAX} of 1000]")
    (root / "empty").write_text("")
    assert read(root, "empty") == "[the file is empty]"
    with pytest.raises(ToolError, match="count from 1"):
        read(root, "b.txt", start=0)


def test_no_more_is_read_than_is_allowed(root: Path) -> None:
    """A large file is cut, and the model is told."""
    reader = tool("read_file", root, sizes=Sizes(file_bytes_max=3))
    assert used(reader, {"path": "b.txt"}).text == "Two\n[only the first 3 of 9 bytes are read]"


@pytest.mark.parametrize(
    "path",
    [
        *("../secret.txt", "notes/../../secret.txt", "/etc/passwd", "~/.ssh/id_rsa", "notes/.."),
        *("\\etc", "a\0b", "a\nb", "a\u200bb", "notes/a.md\u202e", "C:/x", "x" * 600, "a/" * 20),
        *(".env", "notes/.env.local", "server.pem", "SERVER.PEM", "id_rsa", "Id_Ed25519.pub"),
        *(".ssh/config", ".aws/credentials", "credentials", ".git/config", "\uff0e\uff45nv"),
        *(".env.", ".netrc", "x.key", ".twotier/work.db", "twotier.toml", "a/.GIT/hooks/x"),
        *("", ".", "notes", "nothing.txt", "b.txt/x", "pipe"),
    ],
)
def test_what_lies_outside_or_is_closed_is_not_read(root: Path, path: str) -> None:
    """Ways up and out, keys and settings by name, what is no file: a sentence, and no content."""
    for name in (".env", "server.pem", "id_rsa", ".netrc", "x.key", "credentials", "twotier.toml"):
        (root / name).write_text("secret")
    os.mkfifo(root / "pipe")
    with pytest.raises(ToolError):
        read(root, path)


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    """Neither to a file nor to a folder, neither to read nor to write, wherever they lead."""
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "out").symlink_to(tmp_path)
    (root / "in.txt").symlink_to("b.txt")
    for path in ("link.txt", "out/secret.txt", "in.txt"):
        with pytest.raises(ToolError, match="through a link"):
            read(root, path)
    writer = tool("write_file", root)
    for path in ("link.txt", "out/new.txt"):
        with pytest.raises(ToolError, match=r"link|no plain file"):
            used(writer, {"path": path, "text": "x"})
    assert (tmp_path / "secret.txt").read_text() == "outside"
    assert not (tmp_path / "new.txt").exists()
    listing = used(tool("list_files", root), {}).text
    assert "link" not in listing
    assert "out" not in listing
    assert used(tool("search_files", root), {"text": "outside"}).text == "[not found]"


def test_our_own_state_is_closed_whatever_it_is_called(root: Path) -> None:
    """By what it is, not by its name: another name for a file, and the folder of databases."""
    state = root / "state-of-ours"
    state.mkdir()
    (state / "work.db").write_text("rows")
    config = root / "own.txt"
    config.write_text("key")
    os.link(config, root / "same.txt")
    closed = {"closed": (state, config, root / "not-there")}
    for path in ("state-of-ours/work.db", "own.txt", "same.txt"):
        with pytest.raises(ToolError, match="closed to tools"):
            used(tool("read_file", root, **closed), {"path": path})
    with pytest.raises(ToolError, match="closed to tools"):
        used(tool("write_file", root, **closed), {"path": "same.txt", "text": "x"})
    assert used(tool("list_files", root, **closed), {"deep": True}).text.splitlines() == [
        "b.txt  9 bytes",
        "notes/a.md  14 bytes",
    ]


def test_binary_files_are_refused(root: Path) -> None:
    """A picture in a prompt is nothing but tokens."""
    (root / "x.png").write_bytes(b"\x89PNG\0\0")
    with pytest.raises(ToolError, match=r"x\.png is not a text file"):
        read(root, "x.png")
    (root / "latin.txt").write_bytes(b"Gr\xfc\xdfe")
    assert read(root, "latin.txt") == "Gr\ufffd\ufffde"


def test_files_are_listed_with_their_sizes(root: Path) -> None:
    """One folder, or all below it; by pattern; a long list says how much more there is."""
    (root / ".env").write_text("secret")
    lister = tool("list_files", root)
    assert used(lister, {}).text == "b.txt  9 bytes\nnotes/"
    assert used(lister, {"deep": True, "match": "*.md"}).text == "notes/a.md  14 bytes"
    assert used(lister, {"path": "notes"}).text == "notes/a.md  14 bytes"
    assert used(lister, {"match": "*.py"}).text == "[nothing there]"
    with pytest.raises(ToolError, match="there is no elsewhere"):
        used(lister, {"path": "elsewhere"})
    for number in range(LISTED_MAX + 5):
        (root / "notes" / f"{number}.txt").touch()
    assert used(lister, {"path": "notes"}).text.endswith("[6 more; name a folder or a pattern]")


def test_files_are_searched_by_text(root: Path) -> None:
    """In any case, with file and line; binary and large files hold nothing."""
    (root / "x.bin").write_bytes(b"\0two")
    (root / "large").write_text("two " * 100)
    finder = tool("search_files", root, sizes=Sizes(file_bytes_max=100))
    assert used(finder, {"text": "TWO"}).text == "b.txt:1: Two words\nnotes/a.md:2: two"
    assert used(finder, {"text": "two", "match": "*.md"}).text == "notes/a.md:2: two"
    assert used(finder, {"text": "two", "path": "notes"}).text == "notes/a.md:2: two"
    with pytest.raises(ToolError, match="text to search for"):
        used(finder, {"text": " "})
    (root / "many.txt").write_text("y\n" * 90)
    found = used(tool("search_files", root), {"text": "y"}).text.splitlines()
    assert (len(found), found[-1]) == (MATCHES_MAX + 1, "[more; say it more exactly]")


def test_a_search_of_too_much_ends(root: Path) -> None:
    """It says so, and what would help."""
    for number in range(60):
        with (root / f"{number}.log").open("wb") as file:
            file.truncate(900_000)
    found = used(tool("search_files", root), {"text": "two"}).text
    assert found == "[too much to search; name a folder or a pattern]"


def test_a_file_is_written_whole(root: Path) -> None:
    """New or in place of the old one, folders made on the way, rights kept, nothing left behind."""
    writer = tool("write_file", root)
    assert used(writer, {"path": "new/deep/c.md", "text": "Grüße"}).text.startswith("wrote new/")
    (root / "run.sh").write_text("old")
    (root / "run.sh").chmod(0o750)
    assert used(writer, {"path": "run.sh", "text": "new"}).text == "replaced run.sh, 3 bytes"
    assert (root / "run.sh").read_text() == "new"
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o750
    assert (root / "new/deep/c.md").read_text() == "Grüße"
    assert [one.name for one in (root / "new/deep").iterdir()] == ["c.md"]
    for path in (".env", "notes", "../x", ".git/hooks/post-commit", "", "b.txt/x"):
        with pytest.raises(ToolError):
            used(writer, {"path": path, "text": "x"})
    small = tool("write_file", root, sizes=Sizes(file_bytes_max=3))
    with pytest.raises(ToolError, match="4 bytes; 3 is most"):
        used(small, {"path": "d.md", "text": "four"})


def test_a_writer_that_was_killed_leaves_the_old_file(root: Path) -> None:
    """What it left half written is put away by the next one, and is never listed."""
    half = root / f".twotier-new-{os.getpid()}"
    half.write_text("hal")
    assert "twotier-new" not in used(tool("list_files", root), {}).text
    used(tool("write_file", root), {"path": "b.txt", "text": "whole"})
    assert not half.exists()


def test_a_failed_write_leaves_nothing(root: Path) -> None:
    """A name the disk does not take, and a folder that may not be written."""
    writer = tool("write_file", root)
    with pytest.raises(ToolError, match="too long a name"):
        used(writer, {"path": "x" * 300, "text": "x"})
    assert sorted(one.name for one in root.iterdir()) == ["b.txt", "notes"]


def test_what_the_job_declares_changes_nothing_else(root: Path) -> None:
    """A declared file is the owner's word; every other one is a change that is asked for."""
    writer = tool("write_file", root, "drafts/*.md", "log.txt")
    assert "drafts/*.md, log.txt" in writer.spec.description
    for path in ("drafts/a.md", "./drafts/a.md", "log.txt"):
        assert Label.CHANGES not in writer.needs({"path": path}), path
    for path in ("drafts/x/a.md", "a.md", "drafts/../a.md", "log.txt.md", "", "drafts/.env"):
        assert Label.CHANGES in writer.needs({"path": path}), path


def test_files_a_job_may_write_are_not_trusted(root: Path) -> None:
    """What a run was told by a stranger must not come back as the owner's word in the next one."""
    both = frozenset({"read_file", "write_file"})
    assert used(tool("read_file", root), {"path": "b.txt"}).labels == {Label.PRIVATE}
    reader = tool("read_file", root, names=both)
    assert used(reader, {"path": "b.txt"}).labels == {Label.PRIVATE, Label.UNTRUSTED}
    assert reader.needs({}) == reader.spec.labels
