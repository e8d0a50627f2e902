"""`twotier job add`: every template becomes a job that is right, tried before it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.github_api import REPO, TOKEN, GithubApi
from twotier.cli import job_draft
from twotier.cli.job_add import Wanted, added, templates
from twotier.config.job_templates import template_names, template_of
from twotier.config.load import load
from twotier.domain.tier import TierPolicy
from twotier.errors import ConfigError, NotFoundError, UsageError

SHIPPED = [
    "blank",
    "blog-post",
    "comment-check",
    "mail-check",
    "market-brief",
    "mention-check",
    "refactor",
    "research",
    "spend-check",
    "x-scan",
]
MAIN_FILE = """\
# My own words.
[tiers.local]
engine = "llama_cpp"
model = "starter"

[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "twotier.toml"
    path.write_text(MAIN_FILE, encoding="utf-8")
    return path


def answers_of(name: str) -> dict[str, str]:
    """What an owner might type."""
    return {
        ask.key: ask.example
        for ask in template_of(name).asks
        if not ask.default and ask.example and ask.key != "cron"
    }


def test_the_articles_jobs_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert template_names() == SHIPPED
    assert templates(as_json=False) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(SHIPPED)
    with pytest.raises(NotFoundError, match="comment-check, mail-check"):
        template_of("coment-check")


@pytest.mark.parametrize("name", SHIPPED)
def test_each_becomes_a_job_of_the_whole_configuration(
    config: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Wanted(name, name="mine", answers=answers_of(name), untested=True, as_json=True)
    assert added(config, wanted) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["written"] is True
    assert told["live"] is False
    assert {cost["tier"] for cost in told["costs"]} == {"local", "frontier"}
    job = next(job for job in load(config).config.jobs if job.name == "mine")
    assert config.read_text(encoding="utf-8").startswith("# My own words.")
    if name == "mail-check":
        assert job.tier is TierPolicy.LOCAL_ONLY
    with pytest.raises(UsageError, match="already"):
        added(config, wanted)


def test_what_it_watches_is_looked_at_before_anything_is_written(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    with GithubApi() as api:
        answers = {"repo": REPO, "api": api.base_url, "deliver": "log"}
        assert added(config, Wanted("comment-check", answers=answers)) == 0
        assert api.tokens[-1:] == [f"Bearer {TOKEN}"]
        told = capsys.readouterr()
        assert "it could look" in told.err
        assert "$0.00 a run" in told.out
        assert TOKEN not in told.out + told.err
        monkeypatch.setenv("GITHUB_TOKEN", "ghp_another")
        wanted = Wanted("comment-check", name="second", answers=answers)
        assert added(config, wanted) == 1
    told = capsys.readouterr()
    assert "could not look" in told.err
    assert "nothing was written" in told.err
    assert [path.name for path in (config.parent / "jobs").iterdir()] == ["comment-check.toml"]


class Refusing:
    """A worker that does not get main to take the limit of a new job."""

    def post(self, path: str) -> None:
        assert path == "/reload"
        raise ConfigError("main has not taken the budgets of the file: the ledger is held")


def test_a_job_that_has_to_wait_for_a_start_is_written_and_says_so(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job_draft, "worker_of", lambda _: Refusing())
    assert added(config, Wanted("blog-post", name="mine", untested=True)) == 0
    told = capsys.readouterr().err
    assert "written: " in told
    assert "not live yet: main has not taken the budgets of the file" in told
    assert (config.parent / "jobs" / "mine.toml").exists()


def test_a_dry_run_writes_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "notes").mkdir()
    assert added(config, Wanted("blog-post", dry=True)) == 0
    assert "prompt =" in capsys.readouterr().out
    assert not (config.parent / "jobs").exists()


def test_wrong_answers_are_told_all_at_once_and_nothing_changes(config: Path) -> None:
    answers = {"repo": "blog", "down": "maybe", "nonsense": "1"}
    with pytest.raises(UsageError) as told:
        added(config, Wanted("comment-check", answers=answers))
    assert all(word in told.value.message for word in ("repo:", "down:", "nonsense:", "--set"))
    with pytest.raises(ConfigError, match="every"):
        added(config, Wanted("comment-check", answers={"repo": REPO, "every": "0s"}))
    assert config.read_text(encoding="utf-8") == MAIN_FILE
    assert not (config.parent / "jobs").exists()


def test_a_setting_that_is_missing_is_put_into_the_main_file(config: Path) -> None:
    answers = {"symbols": "gold", "searxng": "http://searx.lan:8080"}
    assert added(config, Wanted("market-brief", answers=answers, untested=True)) == 0
    text = config.read_text(encoding="utf-8")
    assert text.startswith(MAIN_FILE)
    assert 'url = "http://searx.lan:8080"' in text
    more = Wanted("research", untested=True)
    assert added(config, more) == 0
    assert config.read_text(encoding="utf-8") == text
