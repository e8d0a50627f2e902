"""From the file to budgets: whose work counts, how they are called, what cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.build.money import budgets
from twotier.config.load import load
from twotier.domain.money import Budget
from twotier.errors import ConfigError

TIERS = """
[tiers.local]
engine = "openai"
model = "toy"
base_url = "http://127.0.0.1:9/v1"
"""
JOB = """
[[jobs]]
name = "inbox"
every = "1h"
prompt = "Look."
budget_usd = 0.5
"""


def made(folder: Path, text: str) -> list[Budget]:
    path = folder / "twotier.toml"
    path.write_text(TIERS + text, encoding="utf-8")
    return [*budgets(load(path))]


def test_a_budget_may_be_for_a_job_a_client_a_tier_a_model_or_a_kind_of_work(
    tmp_path: Path,
) -> None:
    """Without a name it is called after what it counts."""
    text = """
[[budgets]]
zone = "UTC"
limit_usd = 40
background_percent = 50
tell_at_percent = [90]
[[budgets]]
period = "week"
client = "macbook"
alert_usd = 5
[[budgets]]
tier = "local"
model = "toy"
[[budgets]]
work = "background"
limit_usd = 3
at_limit = "stop"
"""
    every, mac, tier, jobs = made(tmp_path, text)
    assert (every.name, every.limit_microusd) == ("day", 40_000_000)
    assert (every.background_percent, every.tell_percents) == (50, (90,))
    assert (mac.name, mac.client, mac.of_key) == ("week macbook", "macbook", False)
    assert (tier.name, tier.tier, tier.model, tier.work) == ("day local toy", "local", "toy", "")
    assert (jobs.name, jobs.work, jobs.at_limit) == ("day background", "background", "stop")


def test_a_job_may_say_what_it_may_cost_a_day(tmp_path: Path) -> None:
    zone = '[[budgets]]\nzone = "Asia/Kolkata"\n'
    job, _ = made(tmp_path, zone + JOB)
    assert (job.name, job.job, job.zone) == ("job inbox", "inbox", "Asia/Kolkata")
    assert (job.limit_microusd, job.at_limit) == (500_000, "local-only")
    assert made(tmp_path, JOB.replace("budget_usd = 0.5", "")) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[budgets]]\n[[budgets]]\n", "two are called 'day'"),
        ('[[budgets]]\ntier = "cloud"\n', "no tier 'cloud'; there are: local"),
        ('[[budgets]]\njob = "mail"\n' + JOB, "no job 'mail'; there are: inbox"),
        ("[[budgets]]\ntell_at_percent = [0]\n", "tell_at_percent"),
        ("[[budgets]]\nbackground_percent = 101\n", "background_percent"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        made(tmp_path, text)
