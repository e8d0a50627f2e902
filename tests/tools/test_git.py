"""Reading real repositories, some of which try to run a program when they are read."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.tools.benches import bench, used
from twotier.domain.label import Label
from twotier.errors import ToolError
from twotier.tools.git import make, switched_off
from twotier.tools.settings import Wanted

if shutil.which("git") is None:
    pytest.skip("missing: git, to read a repository", allow_module_level=True)

WHO = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")


def git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *WHO, *words],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"},
    )
    return done.stdout


def told(root: Path, action: str, **more: Any) -> str:
    (tool,) = make(Wanted("git"), bench(root))
    return used(tool, {"action": action, **more}).text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of two commits, with a change that is not committed."""
    made = tmp_path / "project"
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    (made / "a.txt").write_text("one\n")
    (made / ".env").write_text("KEY=secret1\n")
    git(made, "add", "-A")
    git(made, "commit", "-qm", "First words")
    (made / "a.txt").write_text("one\ntwo\n")
    (made / "sub").mkdir()
    (made / "sub" / "id_rsa").write_text("secret2\n")
    git(made, "add", "-A")
    git(made, "commit", "-qm", "Second words")
    (made / "a.txt").write_text("one\ntwo\nthree\n")
    return made


def test_a_repository_is_read(root: Path) -> None:
    """What changed, what was done, and one commit; each by revision and path."""
    assert told(root, "status") == "## main\n M a.txt"
    log = told(root, "log").splitlines()
    assert [line.partition("Ann: ")[2] for line in log] == ["Second words", "First words"]
    assert told(root, "log", count=1).endswith("Second words")
    assert "+three" in told(root, "diff")
    assert "+two" in told(root, "diff", revision="HEAD~1..HEAD")
    assert told(root, "diff", path="sub") == "[nothing]"
    shown = told(root, "show", revision="HEAD~1")
    assert "First words" in shown
    assert "+one" in shown


def test_closed_names_stay_closed_in_history(root: Path) -> None:
    """A key that was committed is not shown, and cannot be asked for."""
    for action, more in (("show", {}), ("show", {"revision": "HEAD~1"}), ("diff", {})):
        text = told(root, action, **more)
        assert "secret" not in text
        assert "id_rsa" not in text
    for path in (".env", "sub/id_rsa", "../x", ".git/config"):
        with pytest.raises(ToolError):
            told(root, "show", path=path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"action": "push"}, "action is one of status, log, diff, show"),
        ({"action": "log", "revision": "--output=x"}, "a revision is a name"),
        ({"action": "show", "revision": "HEAD:.env"}, "a revision is a name"),
        ({"action": "show", "revision": "nothing"}, "git: fatal"),
        ({"action": "diff", "path": "/etc"}, "paths start"),
    ],
)
def test_what_git_is_not_asked(root: Path, arguments: dict[str, str], says: str) -> None:
    """Other actions, options in the place of names, files by revision."""
    (tool,) = make(Wanted("git"), bench(root))
    with pytest.raises(ToolError, match=says):
        used(tool, arguments)


def test_no_program_of_the_repository_runs(root: Path, tmp_path: Path) -> None:
    """Monitors, filters, diffs, conversions, pagers, hooks and signature checkers of the repository
    would each leave a file; none does, in any action.
    """
    proof = tmp_path / "proof"
    proof.mkdir()
    traps = {
        "core.fsmonitor": "monitor",
        "core.pager": "pager",
        "diff.external": "external",
        "diff.odd=name.command": "driver",
        "diff.odd=name.textconv": "textconv",
        "diff.conv.textconv": "textconv2",
        "filter.bad.clean": "clean",
        "filter.bad.smudge": "smudge",
        "filter.bad.process": "process",
        "filter.other.clean": "clean2",
        "gpg.program": "gpg",
        "core.alternateRefsCommand": "alternates",
        "core.sshCommand": "ssh",
        "core.askPass": "ask",
    }
    for setting, name in traps.items():
        script = tmp_path / f"{name}.sh"
        script.write_text(f"#!/bin/sh\ntouch {proof}/{name}\ncat\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        git(root, "config", setting, str(script))
    for setting in ("filter.bad.required", "filter.other.required", "log.showSignature"):
        git(root, "config", setting, "true")
    hooks = root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit", "post-checkout"):
        shutil.copy(tmp_path / "monitor.sh", hooks / hook)
    (root / ".git" / "info" / "attributes").write_text(
        "a.txt filter=bad diff=odd=name\n*.md diff=conv filter=other\n"
    )
    (root / "b.md").write_text("x")
    os.utime(root / "a.txt", (1, 1))
    for action in ("status", "log", "diff", "show"):
        told(root, action)
    assert "+three" in told(root, "diff")
    assert [one.name for one in proof.iterdir()] == []


def test_the_settings_of_drivers_are_found_by_form() -> None:
    """Every kind of driver is overruled, and a filter that is required is required no more."""
    names = "core.bare\0filter.a.clean\0diff.b.c.textconv\0remote.o.promisor\0filter.a.required\0"
    assert switched_off(names) == {
        "filter.a.clean": "",
        "filter.a.required": "false",
        "diff.b.c.textconv": "",
        "remote.o.promisor": "false",
    }


def test_a_work_tree_elsewhere_is_not_read(root: Path, tmp_path: Path) -> None:
    """A repository may say that its files lie in somebody's home: it is not asked."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "a.txt").write_text("private")
    git(root, "config", "core.worktree", str(tmp_path / "home"))
    with pytest.raises(ToolError, match="not the top of its repository"):
        told(root, "diff")


def test_a_folder_that_is_no_repository_says_so(tmp_path: Path, root: Path) -> None:
    """Also where a repository lies further up: that one is not the job's."""
    (tmp_path / "plain").mkdir()
    for folder in (tmp_path / "plain", root / "sub"):
        with pytest.raises(ToolError, match="is no git repository; set root to one"):
            told(folder, "status")


def test_long_output_is_cut(root: Path) -> None:
    """And says by how much, and what would help."""
    (root / "a.txt").write_text("many words\n" * 60_000)
    text = told(root, "diff")
    assert len(text) < 410_000
    assert "more bytes; name a path or fewer commits" in text


def test_a_repository_is_private(root: Path) -> None:
    """It brings what is its owner's."""
    (tool,) = make(Wanted("git"), bench(root))
    assert tool.spec.labels == tool.needs({}) == {Label.PRIVATE}
