"""From the file to a decision: every condition and effect of `[[rules]]` is compiled."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.router.specs import READY, task
from tests.router.test_tree import NAMES
from twotier.build.rules import rules_in
from twotier.config.load import check_text
from twotier.domain.task import Task
from twotier.router.tree import Router

TEXT = """
[routing]
preset = "article"
order = ["late"]

[[rules]]
name = "held"
client = "notes"
path = "/v1/messages"
policy = "local-only"

[[rules]]
name = "big"
because = "long prompts are dear"
prompt_tokens_over = 1000
prompt_tokens_under = 5000
tools = false
side = "local"

[[rules]]
name = "team"
header = { X-Team = "ops*" }
kind = "unknown"
tier = "local"

[[rules]]
name = "small"
model = ["haiku-*"]
job = "*"
tier = "local"

[[rules]]
name = "late"
between = "22:00-06:00"
days = ["fri"]
zone = "Europe/Berlin"
side = "local"
"""
NIGHT = datetime(2026, 2, 6, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seen", "rule"),
    [
        (task(), "default"),
        (task(prompt_tokens=2_000), "big"),
        (task(prompt_tokens=2_000, tools=1), "default"),
        (task(headers={"x-team": "ops-2"}), "team"),
        (task(model_asked="haiku-4", job="x"), "small"),
        (task(at=NIGHT), "late"),
        (task(at=NIGHT, kind="polling"), "late"),
        (task(kind="polling"), "polling"),
    ],
)
def test_the_file_decides(seen: Task, rule: str) -> None:
    """Each rule where its conditions hold, the preset's rows elsewhere."""
    router = Router(NAMES, rules_in(check_text(TEXT, Path("none/twotier.toml"))))
    assert router.decide(seen, READY).rule == rule


def test_a_restriction_of_the_file_restricts() -> None:
    """By client and path; whoever asks elsewhere is not held."""
    rules = rules_in(check_text(TEXT, Path("none/twotier.toml")))
    router = Router(NAMES, rules)
    held = task(client="notes", dialect="anthropic_messages")
    assert [one.tier for one in router.decide(held, READY).options] == ["local"]
    assert not router.decide(task(client="notes"), READY).restricted
    assert rules.headers == {"x-team"}
    assert rules.timed
