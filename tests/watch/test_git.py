"""Commits of real repositories, here and remote."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.watch.places import Place, titles
from twotier.errors import WatchError

WHO = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_AUTHOR_DATE": "2026-03-02T12:00:00+01:00",
    "GIT_COMMITTER_DATE": "2026-03-02T12:00:00+01:00",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


class Repository:
    """A real one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "-b", "main")

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env=os.environ | WHO,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def commit(self, message: str, text: str = "words\n") -> str:
        with (self.folder / "file.txt").open("a") as file:
            file.write(text)
        self.git("add", "file.txt")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def here(home: Path, **changes: Any) -> Place:
    settings = {"kind": "git", "path": "repository", "remote": None, "branch": "main"}
    return Place(settings | changes, home)


def remote(repository: Repository, home: Path) -> Place:
    return here(home, path=None, remote=f"file://{repository.folder}")


def looked(place: Place) -> list[str]:
    """The subjects that were found, without the names of the commits."""
    return [title.partition(" ")[2] for title in titles(asyncio.run(place.look()))]


def test_each_new_commit_is_an_item_with_message_and_diffstat(
    repository: Repository, tmp_path: Path
) -> None:
    """Oldest first; what was there at the first look is not new."""
    repository.commit("old")
    place = here(tmp_path)
    assert looked(place) == []
    repository.commit("first\n\nBecause of this.")
    repository.commit("second")
    look = asyncio.run(place.look())
    first, second = look.items
    assert first.text.startswith("first\n\nBecause of this.\n\nfile.txt | 1 +\n")
    assert second.title.endswith(" second")
    assert (first.author, first.at) == ("Ann", "2026-03-02T11:00:00+00:00")
    cursor = place.cursor
    assert (looked(place), place.cursor) == ([], cursor)


def test_of_a_remote_the_head_is_asked_and_messages_come(
    repository: Repository, tmp_path: Path
) -> None:
    """Nothing is left behind of what was fetched."""
    repository.commit("old")
    place = remote(repository, tmp_path)
    assert looked(place) == []
    repository.commit("first\n\nBecause of this.")
    repository.commit("second")
    look = asyncio.run(place.look())
    assert [item.text for item in look.items] == ["first\n\nBecause of this.", "second"]
    assert looked(place) == []
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]


@pytest.mark.parametrize("far", [False, True])
def test_a_rewritten_history_is_not_told_again(
    repository: Repository, tmp_path: Path, *, far: bool
) -> None:
    """Only what both do not have in common; where the old end is gone, the newest commit alone."""
    repository.commit("old")
    place = remote(repository, tmp_path) if far else here(tmp_path)
    repository.commit("wrong")
    assert looked(place) == []
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    repository.commit("right")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")
    assert looked(place) == ["right"]


def test_the_first_look_can_go_back(repository: Repository, tmp_path: Path) -> None:
    """By the time of the commits."""
    repository.commit("one")
    assert looked(here(tmp_path, since=86_400.0)) == ["one"]
    assert looked(here(tmp_path, since=60.0)) == []


def test_a_message_cannot_play_another_commit(repository: Repository, tmp_path: Path) -> None:
    """Whatever separators it holds."""
    repository.commit("old")
    place = here(tmp_path)
    looked(place)
    repository.commit("one\n\n\x1e\x1fdeadbeef\x1fMallory\x1f%x00")
    (item,) = asyncio.run(place.look()).items
    assert item.author == "Ann"


def test_nothing_of_the_repository_is_run(repository: Repository, tmp_path: Path) -> None:
    """Its configuration names programs for everything."""
    canary = tmp_path / "canary"
    repository.commit("old")
    place = here(tmp_path)
    looked(place)
    (repository.folder / ".gitattributes").write_text("*.txt diff=mine\n")
    for name in ("core.pager", "core.fsmonitor", "diff.external", "diff.mine.textconv"):
        repository.git("config", name, f"touch {canary}; cat")
    repository.git("config", "log.showSignature", "true")
    repository.git("config", "gpg.program", str(canary))
    (repository.folder / ".git" / "hooks" / "post-checkout").write_text(f"touch {canary}")
    with (repository.folder / "file.txt").open("a") as file:
        file.write("more")
    repository.git("-c", "core.fsmonitor=false", "commit", "--quiet", "-am", "new")
    canary.unlink(missing_ok=True)
    assert looked(place) == ["new"]
    assert not canary.exists()


def test_what_cannot_be_asked_is_could_not_look(repository: Repository, tmp_path: Path) -> None:
    """No folder, no repository, no branch, nobody there."""
    repository.commit("old")
    (tmp_path / "plain").mkdir()
    for place, says in (
        (here(tmp_path, path="nowhere"), "does not exist; clone it there"),
        (here(tmp_path, path="plain"), "not a git repository|has no branch"),
        (here(tmp_path, branch="gone"), "has no branch gone"),
        (here(tmp_path, path=None, remote=f"file://{tmp_path}/nowhere"), "cannot be asked"),
        (here(tmp_path, path=None, remote="ext::touch canary"), "cannot be asked"),
    ):
        with pytest.raises(WatchError, match=says):
            asyncio.run(place.look())
