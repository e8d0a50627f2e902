"""`twotier import openclaw`, as it is typed, on folders of its own; nothing else runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.config.openclaw.planning import ARTICLE, MADE
from twotier.cli import run
from twotier.cli.handover import held
from twotier.cli.import_openclaw import REPORT, window_of
from twotier.config.load import load

SECRET = "canary-never-to-be-seen-anywhere"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with OpenClaw in it, and a place for a configuration of ours."""
    shutil.copytree(ARTICLE, tmp_path / ".openclaw")
    (tmp_path / "ours").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    for name in ("OPENCLAW_CONFIG_PATH", "OPENCLAW_STATE_DIR", "OPENCLAW_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def command(home: Path, *words: str) -> int:
    return run(["--config", str(home / "ours" / "twotier.toml"), "import", "openclaw", *words])


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with what it holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_at_first_it_only_says_what_it_would_write(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(home)
    assert command(home) == 0
    said = capsys.readouterr()
    assert tree(home) == before
    assert "tier   local      mlx-local/lmstudio-community/MiniMax-M2.5-MLX-4bit" in said.out
    assert "- giscus-check: github-discussions; about 960,000 tokens a day now" in said.out
    assert "nothing is written yet. `twotier import openclaw --write` writes" in said.err
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize("word", ["--write", "--yes"])
def test_it_writes_a_configuration_that_is_right_and_a_report(home: Path, word: str) -> None:
    theirs = tree(home / ".openclaw")
    assert command(home, word) == 0
    loaded = load(home / "ours" / "twotier.toml")
    assert len(loaded.config.jobs) == 7
    assert set(loaded.config.tiers) == {"local", "frontier"}
    assert "## Look at these" in (home / "ours" / REPORT).read_text()
    assert tree(home / ".openclaw") == theirs
    for path in (home / "ours").rglob("*.toml"):
        assert path.stat().st_mode & 0o077 == 0


def test_no_secret_gets_into_our_files(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither what a variable holds, nor a key that stands in a file of OpenClaw's."""
    config = home / ".openclaw" / "openclaw.json"
    pasted, typed = "sk-pasted-into-the-file-0123456789", "ghp_" + "Z" * 36
    config.write_text(config.read_text().replace('apiKey: "local"', f'apiKey: "{pasted}"'))
    jobs = home / ".openclaw" / "cron" / "jobs.json"
    jobs.write_text(
        jobs.read_text().replace("Draft a blog post", f"With {typed} draft a blog post")
    )
    assert command(home, "--write") == 0
    said = capsys.readouterr()
    everything = b"".join(tree(home / "ours").values()).decode() + said.out + said.err
    assert "env:MLX_LOCAL_API_KEY" in everything
    for secret in (SECRET, pasted, typed):
        assert secret not in everything


def test_a_second_time_it_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(home, "--write") == 0
    before = tree(home)
    capsys.readouterr()
    assert command(home, "--write") == 0
    assert tree(home) == before
    assert "nothing to change: all of it is here already" in capsys.readouterr().err


def test_it_joins_a_configuration_that_is_there(home: Path) -> None:
    """What is in it stays to the letter, and what is missing comes behind."""
    mine = '# mine\n[tiers.opus]\nprovider = "anthropic"\nmodel = "claude-opus-4-6"\n'
    file = home / "ours" / "twotier.toml"
    file.write_text(mine)
    assert command(home, "--write") == 0
    assert file.read_text().startswith(mine)
    assert set(load(file).config.tiers) == {"opus", "local"}
    assert load(file).config.aliases == {"m25": "local"}


def test_an_edited_twin_stays_and_one_taken_away_comes_back_when_asked(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(home, "--write") == 0
    jobs = home / "ours" / "jobs"
    edited = jobs / "blog-draft.toml"
    edited.write_text(edited.read_text() + "\n# mine\n")
    (jobs / "research-digest.toml").unlink()
    source = home / ".openclaw" / "cron" / "jobs.json"
    source.write_text(source.read_text().replace("Draft a blog post", "Write a blog post"))
    capsys.readouterr()
    assert command(home, "--write", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    states = {job["name"]: job["state"] for job in told["jobs"]}
    assert states["blog-draft"] == "edited"
    assert states["research-digest"] == "gone"
    assert edited.read_text().endswith("# mine\n")
    assert command(home, "--write", "--anew") == 0
    assert (jobs / "research-digest.toml").exists()


def test_json_holds_all_of_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(home, "--json", "--watchers") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["schema_version"], told["written"], told["changes"]) == (1, False, True)
    assert {note["kind"] for note in told["notes"]} == {"warning", "changed"}
    giscus = next(job for job in told["jobs"] if job["name"] == "giscus-check")
    assert giscus["trigger"] == {"every": "30m"}
    assert giscus["watcher"] == {
        "kind": "github-discussions",
        "settings": {"token": "env:GITHUB_TOKEN", "repo": "octo/blog"},
        "missing": {},
        "written": True,
        "tokens_a_day_before": 960_000,
        "tokens_a_day_after": 3_000,
        "measured": False,
    }


def test_real_files_of_2026_9_6_by_path(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(home, str(MADE), "--write") == 0
    assert len(load(home / "ours" / "twotier.toml").config.jobs) == 11
    capsys.readouterr()
    assert command(home, "--write") == 0  # the folder is remembered
    assert "nothing to change" in capsys.readouterr().err


def test_what_cannot_be_read_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".openclaw" / "openclaw.json").write_text("{models: \n  }")
    assert command(home, "--write") == 2
    assert "openclaw.json, line 2, column 3: no value stands here" in capsys.readouterr().err
    assert tree(home / "ours") == {}


def test_words_that_exclude_one_another(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(home, "--handover", "--undo") == 2
    assert command(home, "--handover", "--write") == 2
    assert command(home, "--handover") == 2
    assert "no job was imported yet: `twotier import openclaw --write`" in capsys.readouterr().err


def test_windows_are_those_of_the_catalogue() -> None:
    assert window_of("mlx-community/MiniMax-M2.5-4bit") == 196_608
    assert window_of("nobody/knows-this") is None


def test_a_database_that_another_process_has_open_is_held(tmp_path: Path) -> None:
    """OpenClaw's gateway may listen on a port that no file names."""
    file = tmp_path / "openclaw.sqlite"
    file.write_bytes(b"")
    assert not held(file)
    code = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command_ = [sys.executable, "-c", code, str(file)]
    with subprocess.Popen(command_, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        assert held(file)
        child.communicate(b"")
