"""Watches a branch of a repository: each new commit is an item.

A local one brings message and diffstat. Of a remote one the branch's head is asked (`git
ls-remote`), and only when it has moved the newest commits are fetched, without their files, into a
folder that is thrown away; so they bring their messages alone.

When more commits have come to a remote one than are fetched, its newest alone is new.

Git runs without hooks, pagers, foreign diff programs, prompts and lazy fetches, because a
repository brings a configuration of its own. A history that was rewritten starts at what both have
in common; where nothing is left of the old one, its newest commit alone is new.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from twotier.domain.job import Item
from twotier.domain.urls import shown_url
from twotier.errors import WatchError
from twotier.watch.base import Around, Look
from twotier.watch.child import Ended, Limits, run
from twotier.watch.cut import cut, mark, one_line
from twotier.watch.seen import instant
from twotier.watch.visible import visible

COMMITS_MAX = 200
FETCHED_COMMITS = 50
LIMITS = Limits(seconds=60.0, bytes_max=4 << 20)
# The one character that no commit can hold, so that a message cannot play another commit. Behind
# the fields stands the diffstat, if any.
END = "\0"
FORM = "%x00%H%x00%an%x00%aI%x00%s%x00%b%x00"
FIELDS = 6
PLAIN = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false")
ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PAGER": "cat",
    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
}


@dataclass(frozen=True, slots=True)
class GitWatcher:
    """A branch of the repository in a folder, or of the one at a remote address."""

    folder: Path | None
    remote: str
    branch: str
    since_seconds: float | None
    item_bytes_max: int
    around: Around

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> GitWatcher:
        """The watcher of a job's `watch` settings."""
        path = str(settings["path"] or "")
        return cls(
            folder=around.home / Path(path).expanduser() if path else None,
            remote=str(settings["remote"] or ""),
            branch=str(settings["branch"]),
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            around=around,
        )

    @property
    def place(self) -> str:
        """The repository and the branch."""
        return f"git:{self._name} {self.branch}"

    @property
    def _name(self) -> str:
        return str(self.folder) if self.folder else shown_url(self.remote)

    async def look(self, cursor: Any) -> Look:
        """The commits since the head that was seen, oldest first. Raises `WatchError`."""
        seen = str(cursor.get("head", "")) if isinstance(cursor, dict) else ""
        head = await self._head()
        if head == seen:
            return Look((), cursor)
        if seen or self.since_seconds:
            items = await self._commits(seen, head)
        else:
            items = ()
        return Look(items, {"head": head})

    async def _head(self) -> str:
        ref = f"refs/heads/{self.branch}"
        if self.folder:
            if not self.folder.is_dir():
                raise WatchError(f"the folder {self.folder} does not exist; clone it there")
            ended = await git(
                ["rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"], self.folder
            )
            if ended.code == 0:
                return ended.output.strip()
            raise WatchError(ended.said or f"{self._name} has no branch {self.branch}")
        ended = await git(["ls-remote", "--", self.remote, ref], self.around.home)
        if ended.code != 0:
            raise WatchError(f"{self._name} cannot be asked: {one_line(shown_url(ended.said))}")
        head = ended.output.partition("\t")[0].strip()
        if not head:
            raise WatchError(f"{self._name} has no branch {self.branch}")
        return head

    async def _commits(self, seen: str, head: str) -> tuple[Item, ...]:
        if self.folder:
            return await self._log(seen, head, folder=self.folder, more=("--stat=100",))
        with tempfile.TemporaryDirectory(prefix="twotier-git-") as name:
            folder = Path(name)
            await checked(["init", "--quiet", "--bare", "."], folder)
            wanted = ["--quiet", "--no-tags", f"--depth={FETCHED_COMMITS}", "--filter=tree:0"]
            await checked(["fetch", *wanted, "--", self.remote, head], folder)
            # Without the promise that what is missing can be fetched: it is not to be fetched.
            (folder / "config").write_text("[core]\n\tbare = true\n", encoding="utf-8")
            return await self._log(seen, head, folder=folder, more=())

    async def _log(
        self, seen: str, head: str, *, folder: Path, more: Sequence[str]
    ) -> tuple[Item, ...]:
        """The commits from one head to the other."""
        newest, range_ = COMMITS_MAX, head
        if seen:
            there = await git(["cat-file", "-e", f"{seen}^{{commit}}"], folder)
            newest, range_ = (newest, f"{seen}..{head}") if there.code == 0 else (1, head)
        how = ["log", f"--format={FORM}", f"--max-count={newest}", "--no-ext-diff", "--no-textconv"]
        if not seen and self.since_seconds:
            from_ = self.around.clock.now() - timedelta(seconds=self.since_seconds)
            how.append(f"--since={from_.isoformat(timespec='seconds')}")
        ended = await checked([*how, *more, range_, "--"], folder)
        told = ended.output.split(END)[1:]
        commits = [told[place : place + FIELDS] for place in range(0, len(told), FIELDS)]
        return tuple(self._item(*commit) for commit in reversed(commits))

    def _item(self, *told: str) -> Item:
        name, author, made, subject, body, stat = told
        parts = [subject.strip(), body.strip(), stat.strip()]
        whole = visible("\n\n".join(part for part in parts if part))
        kept, bytes_cut = cut(whole, bytes_max=self.item_bytes_max)
        return Item(
            id=mark(name),
            title=one_line(f"{name[:10]} {visible(subject)}"),
            text=kept,
            source=f"{self._name} {self.branch}",
            bytes_cut=bytes_cut,
            author=one_line(visible(author)),
            at=instant(made),
        )


async def git(words: Sequence[str], folder: Path) -> Ended:
    """One git command, bare of everything that a repository may want to run."""
    plain = [word for setting in PLAIN for word in ("-c", setting)]
    return await run(["git", *plain, *words], LIMITS, folder=folder, env=ENVIRONMENT)


async def checked(words: Sequence[str], folder: Path) -> Ended:
    """One that has to work. Raises `WatchError` with what git says."""
    ended = await git(words, folder)
    if ended.code != 0:
        raise WatchError(f"git {words[0]}: {shown_url(ended.said) or f'ended with {ended.code}'}")
    return ended
