"""What starts a job: exactly one thing, and each mistake is told with what to write instead."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from twotier.config.load import load
from twotier.errors import ConfigError
from twotier.worker import job_of

START = '[[jobs]]\nname = "a"\nprompt = "p"\n'


def loaded_text(tmp_path: Path, text: str) -> str:
    """What is said of a configuration, empty if nothing is wrong."""
    path = tmp_path / "twotier.toml"
    path.write_text(text)
    try:
        load(path)
    except ConfigError as exc:
        return exc.message
    return ""


@pytest.mark.parametrize(
    "trigger",
    [
        'every = "30m"\njitter = "2m"\noverlap = "replace"',
        'cron = "30 6 * * 1-5"',
        'cron = "*/10 30 6 * * 1-5"\nzone = "Asia/Kolkata"',
        'at = "2026-12-24T18:00"',
        "at = 2026-12-24T18:00:00+01:00",
        "at = 2026-12-24",
        'webhook = true\nwebhook_secret = "env:S"',
        '[jobs.watch]\nkind = "files"\npath = "in"\nevery = "5m"',
    ],
)
def test_each_trigger_can_be_written(tmp_path: Path, trigger: str) -> None:
    """As the documentation shows it."""
    assert loaded_text(tmp_path, START + trigger) == ""


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("", "jobs.0: needs one trigger: every"),
        ('every = "1h"\ncron = "0 7 * * *"', "has 2 triggers (every, cron); keep one"),
        (
            'at = "2026-12-24T18:00"\n[jobs.watch]\nkind = "files"\npath = "in"\nevery = "5m"',
            "has 2 triggers (at, watch.every); keep one, or make a job of each",
        ),
        ('cron = "0 7 * *"', "cron '0 7 * *' cannot be read: Wrong number of fields"),
        ('cron = "99 0 7 * * *"', "cannot be read: Bad second"),
        ('at = "christmas"', "jobs.0.at: 'christmas' is no instant; write for example 2026-12-24T"),
        ("at = 7", "jobs.0.at: 7 is no instant"),
        ('at = "2026-12-24T18:00"\njitter = "1m"', "jitter moves the slots of every and cron"),
        ('after = "a"', "after names the job itself"),
        ('after = "b"', "jobs.0.after: there is no job 'b'; there are: a"),
        ("webhook = true", 'needs webhook_secret = "env:NAME"'),
        ('every = "1h"\nwebhook_secret = "env:S"', "webhook_secret is for a job with webhook"),
        (
            'webhook = true\nwebhook_secret = "env:S"\noverlap = "skip"',
            "overlap is for slots: take it out",
        ),
        (
            'webhook = true\nwebhook_secret = "env:S"\n[jobs.watch]\nkind = "files"\npath = "in"',
            "make two jobs of it",
        ),
        ('every = "1h"\noverlap = "both"', "'skip', 'queue' or 'replace'"),
    ],
)
def test_what_cannot_start_a_job_is_told(tmp_path: Path, trigger: str, said: str) -> None:
    """Where it stands, what is wrong, and what to write."""
    assert said in loaded_text(tmp_path, START + trigger)


def test_jobs_that_come_after_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    """Nothing would ever start them; a chain is fine."""
    chain = "".join(
        f'[[jobs]]\nname = "{name}"\nprompt = "p"\nafter = "{before}"\n'
        for name, before in (("b", "a"), ("c", "b"))
    )
    assert loaded_text(tmp_path, START + 'every = "1h"\n' + chain) == ""
    said = loaded_text(tmp_path, START + 'after = "c"\n' + chain)
    assert "jobs.0.after: a after c after b after a, in a circle" in said


def test_a_file_in_the_folder_jobs_is_a_job(tmp_path: Path) -> None:
    """Its name is the file's unless it says another; it stands behind those of the big file."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "brief.toml").write_text('prompt = "p"\nat = "2026-12-24T18:00"\n')
    (tmp_path / "jobs" / "mail.toml").write_text(
        'name = "post"\nprompt = "p"\n[watch]\nkind = "files"\npath = "in"\nevery = "1m"\n'
    )
    (tmp_path / "jobs" / "notes.txt").write_text("no job")
    assert loaded_text(tmp_path, START + 'every = "1h"\n') == ""
    jobs = load(tmp_path / "twotier.toml").config.jobs
    assert [job.name for job in jobs] == ["a", "brief", "post"]
    there = job_of(jobs[1].model_copy(update={"zone": "Europe/Berlin"}), tmp_path)
    assert there.at == datetime(2026, 12, 24, 17, tzinfo=UTC)
    assert job_of(jobs[2], tmp_path).every_seconds == 60.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('prompt = "p"\nevry = "1m"\n', "evry: unknown key; did you mean 'every'?"),
        ('prompt = "p"\n', "needs one trigger"),
        ('prompt = "p"\nevery = "1m"\nmodel = "nope"\n', "model: no tier or alias 'nope'"),
        ('prompt = "p"\nevery = "1m"\nname = "a"\n', "the name 'a' is used twice"),
        ('[[jobs]]\nprompt = "p"\n', "holds one job: write its settings without [[jobs]]"),
        ("prompt = ", "is not valid TOML"),
    ],
)
def test_what_is_wrong_with_a_job_file_names_the_file(tmp_path: Path, text: str, said: str) -> None:
    """Not the number it happens to have among all jobs."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "brief.toml").write_text(text)
    tier = '[tiers.local]\nengine = "openai"\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
    message = loaded_text(tmp_path, START + 'every = "1h"\n' + tier)
    assert said in message
    if "twice" not in said:
        assert re.search(r"brief\.toml", message)
        assert "jobs.1" not in message


def test_a_job_file_that_cannot_be_read_and_a_heap_of_them_are_told(tmp_path: Path) -> None:
    """A folder in place of a file, and more files than anybody has jobs."""
    (tmp_path / "jobs" / "odd.toml").mkdir(parents=True)
    assert "odd.toml cannot be read" in loaded_text(tmp_path, "")
    (tmp_path / "jobs" / "odd.toml").rmdir()
    for number in range(1_001):
        (tmp_path / "jobs" / f"{number}.toml").touch()
    assert "more than 1000 files" in loaded_text(tmp_path, "")
