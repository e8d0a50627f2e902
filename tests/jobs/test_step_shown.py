"""What a step came to is told from what it gave, whatever that is."""

from __future__ import annotations

from typing import Any

import pytest

from twotier.jobs.step_shown import TEXT_CHARACTERS_MAX, told

CALLS = [{"id": "1", "function": {"name": "fetch", "arguments": "{}"}}]
SAID = {
    "message": {"role": "assistant", "content": "Let me look.", "tool_calls": CALLS},
    "finish": "tool_calls",
    "tier": "local",
    "model": "local/toy",
    "rule": "kind",
    "request": "req-1",
    "tokens_in": 20,
    "tokens_out": 10,
    "cost_microusd": 0,
}
ANSWER = {"tier": "local", "model": "m", "rule": "r", "request": "q", "tokens": 30}


@pytest.mark.parametrize(
    ("name", "output", "facts"),
    [
        ("begin", {"items": 2, "parts": [], "left_out": ["a: too large"]}, {"items": 2}),
        ("begin", {"items": 0, "left_out": []}, {}),
        ("model", {"answer": ANSWER | {"cost_microusd": 7}, "text": "x"}, {"cost_microusd": 7}),
        ("model", {"answer": ANSWER, "wrong": "two lines", "said": "x"}, {"because": "two lines"}),
        ("model", {"answer": "of an older version"}, {}),
        ("model", {"because": "main says no"}, {"because": "main says no"}),
        ("tool:fetch", {"text": "page", "labels": ["untrusted"]}, {"labels": ["untrusted"]}),
        ("tool:send", {"text": "refused: it would", "failed": True, "refused": True}, {}),
        ("tool:send", {"text": "error: down", "failed": True}, {"verdict": "failed"}),
        ("approve:send", {"granted": True, "because": "approved by its owner"}, {}),
        ("approve:send", {"granted": False, "because": "no"}, {"verdict": "no"}),
        ("verify", {"end": "keep", "by": "checks", "because": ["ok", "fine"]}, {"by": "checks"}),
        ("escalate", "", {"verdict": "yes"}),
        ("escalate", True, {"verdict": "yes"}),
        ("escalate", False, {"verdict": "no"}),
        ("escalate", "it read strangers", {"verdict": "no", "because": "it read strangers"}),
        ("deliver", {"place": "outbox/x"}, {"place": "outbox/x"}),
        ("deliver", {"because": "no way"}, {"because": "no way"}),
        ("failed", {"skipped": "the local tier is down"}, {"because": "the local tier is down"}),
        ("store", None, {}),
    ],
)
def test_facts_of_steps(name: str, output: Any, facts: dict[str, Any]) -> None:
    found = told(name, output)
    assert facts.items() <= found.items()
    assert "text" not in found
    assert not any(value in (None, "", []) for value in found.values())


def test_a_model_call_of_an_agent_tells_what_it_wanted() -> None:
    found = told("model", SAID, texts=True)
    assert found["tokens"] == 30
    assert (found["tokens_in"], found["tokens_out"]) == (20, 10)
    assert found["wants"] == ["fetch"]
    assert found["finish"] == "tool_calls"
    assert found["text"] == "Let me look."
    assert told("model", {**SAID, "message": {"tool_calls": [1, {"function": 2}]}})["tokens"] == 30
    assert "wants" not in told("model", {**SAID, "message": None})


def test_a_refused_call_is_told_from_one_that_failed() -> None:
    refused = told("tool:send", {"text": "refused: x", "failed": True, "refused": True})
    assert (refused["tool"], refused["verdict"]) == ("send", "refused")
    assert refused["because"] == "refused: x"
    assert told("approve:send", {"granted": True, "because": "yes"})["verdict"] == "yes"
    assert told("verify", {"because": ["a", "b"]})["because"] == "a; b"


def test_words_are_told_only_where_they_are_wanted_and_not_without_end() -> None:
    assert told("tool:fetch", {"text": "page"}, texts=True)["text"] == "page"
    assert "text" not in told("store", {"text": "x"}, texts=True)
    assert "text" not in told("model", {}, texts=True)
    long = told("model", {"text": "x" * 30_000}, texts=True)["text"]
    assert len(long) == TEXT_CHARACTERS_MAX
