"""A job of the configuration as the worker's noun."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from twotier.config.load import load
from twotier.domain.job import Job
from twotier.domain.tier import TierPolicy
from twotier.worker import channels, job_of

CONFIG = """
[[jobs]]
name = "brief"
cron = "30 6 * * 1-5"
prompt = "Write a brief."
missed = "within:1h30m"
deliver = "ntfy:blog"

[[jobs]]
name = "inbox"
every = "10s"
watch = { kind = "files", path = "inbox" }
tier = "local-only"
answer_lines = 3
prompt = "Summarise."
"""


def jobs_of(folder: Path) -> list[Job]:
    path = folder / "twotier.toml"
    path.write_text(CONFIG, encoding="utf-8")
    loaded = load(path)
    assert set(channels(loaded)) == {"webhook", "ntfy"}
    return [job_of(job, loaded.home) for job in loaded.config.jobs]


def test_durations_are_seconds_and_local_is_a_real_zone(tmp_path: Path) -> None:
    """The schedule is pure: it can neither read `1h30m` nor know where this machine stands."""
    brief, inbox = jobs_of(tmp_path)
    assert (brief.every_seconds, brief.missed) == (None, "within:5400")
    assert ZoneInfo(brief.zone).key == brief.zone
    assert (brief.tier, brief.watch) == (TierPolicy.AUTO, None)
    assert (inbox.every_seconds, inbox.missed) == (10.0, "once")
    assert inbox.root == str(tmp_path.resolve() / "jobs-files" / "inbox")
    assert inbox.tier is TierPolicy.LOCAL_ONLY
    assert inbox.watch is not None
    assert inbox.watch["item_bytes_max"] == 12_000
