"""How much a model is to think, and what may not stand beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.protocols.anthropic_messages.test_turns import call, done
from tests.protocols.anthropic_messages.test_write import HI, MODEL, TOOL, write
from twotier.domain.message import (
    Conversation,
    Message,
    Reasoning,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
)
from twotier.protocols.anthropic_messages import write_request

ON = {"type": "adaptive"}


def budget(tokens: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens}


@pytest.mark.parametrize(
    ("model", "wish", "thinking", "effort", "unsaid"),
    [
        (MODEL, Thinking("adaptive"), ON, None, ()),
        (MODEL, Thinking("adaptive", effort="max"), ON, "max", ()),
        (MODEL, Thinking(effort="medium"), ON, "medium", ()),
        (MODEL, Thinking(effort="xhigh"), ON, "high", ()),
        (MODEL, Thinking(effort="minimal"), ON, "low", ()),
        (MODEL, Thinking(effort="none"), None, None, ()),
        (MODEL, Thinking("off", effort="low"), None, "low", ()),
        (MODEL, Thinking("off", effort="new"), None, None, ("effort",)),
        (MODEL, Thinking("budget", 2_000), budget(2_000), None, ()),
        (MODEL, Thinking("budget", 2_000, "high"), budget(2_000), "high", ()),
        (MODEL, Thinking("budget", 90_000), budget(7_500), None, ()),
        (MODEL, Thinking("budget", 100), None, None, ("thinking",)),
        (MODEL, Thinking("budget"), ON, None, ()),
        (MODEL, Thinking("adaptive", shown="omitted"), {**ON, "display": "omitted"}, None, ()),
        (MODEL, Thinking("adaptive", shown="auto"), {**ON, "display": "summarized"}, None, ()),
        (MODEL, Thinking(shown="auto"), None, None, ("thinking",)),
        (MODEL, Thinking(), None, None, ()),
        ("claude-opus-4-7", Thinking("budget", 2_000), ON, "low", ()),
        ("claude-opus-4-7", Thinking("budget", 99_000), ON, "max", ()),
        ("claude-opus-4-7", Thinking("budget", 9_000, "xhigh"), ON, "xhigh", ()),
        ("claude-opus-4-5", Thinking(effort="max"), budget(7_500), "high", ()),
        ("claude-opus-4-5", Thinking("adaptive"), budget(7_500), None, ()),
        ("claude-haiku-4-5", Thinking(effort="low"), budget(2_048), None, ()),
        ("claude-haiku-4-5", Thinking("budget", 2_000, "low"), budget(2_000), None, ("effort",)),
        ("claude-haiku-4-5", Thinking("off", effort="low"), None, None, ("effort",)),
        ("claude-3-5-haiku-latest", Thinking("adaptive"), None, None, ("thinking",)),
        ("claude-opus-5", Thinking("off", effort="max"), {"type": "disabled"}, "high", ()),
        ("claude-sonnet-5-5", Thinking("off"), {"type": "between_tools"}, None, ()),
        ("claude-opus-5-5", Thinking("off"), None, None, ("thinking",)),
        ("something-else", Thinking(effort="low"), ON, "low", ()),
    ],
)
def test_each_family_is_told_to_think_in_its_own_words(
    model: str, wish: Thinking, thinking: Any, effort: str | None, unsaid: tuple[str, ...]
) -> None:
    out = write_request(
        Conversation((HI,), thinking=wish), model=model, max_output_tokens=10_000, stream=True
    )
    body = json.loads(out.body)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert out.unsaid == unsaid


@pytest.mark.parametrize(
    ("first", "thinks"),
    [
        (Reasoning("x", "sig"), True),
        (Reasoning("", hidden="sealed"), True),
        (Reasoning("x"), False),
        (Text("a"), False),
    ],
)
def test_a_budget_is_left_out_where_tool_calls_did_not_begin_with_thinking(
    first: Any, thinks: bool
) -> None:
    """The API would refuse it; a model that decides by itself may think all the same."""
    turns = (HI, Message("assistant", (first, ToolCall("a", "f", "{}"))), done("a"))
    rest = (call("b"), done("b"))
    for messages in (turns, turns + rest):
        out = write_request(
            Conversation(messages, thinking=Thinking("budget", 2_000)),
            model=MODEL,
            max_output_tokens=10_000,
            stream=True,
        )
        assert ("thinking" in json.loads(out.body)) is thinks
        assert out.unsaid == (() if thinks else ("thinking",))
    over = write_request(
        Conversation(
            (*turns, Message("assistant", (Text("done"),)), HI), thinking=Thinking("budget", 2_000)
        ),
        model=MODEL,
        max_output_tokens=10_000,
        stream=True,
    )
    assert over.unsaid == ()


@pytest.mark.parametrize(
    ("model", "wish", "choice", "unsaid"),
    [
        (MODEL, Thinking("adaptive"), "any", ()),
        (MODEL, Thinking("budget", 2_000), "any", ("thinking",)),
        ("claude-opus-5-5", None, "auto", ("tool_choice",)),
        ("claude-opus-5", None, "any", ()),
    ],
)
def test_a_call_is_ordered_where_the_model_takes_orders(
    model: str, wish: Thinking | None, choice: str, unsaid: tuple[str, ...]
) -> None:
    out = write_request(
        Conversation((HI,), tools=(TOOL,), tool_choice=ToolChoice("required"), thinking=wish),
        model=model,
        max_output_tokens=10_000,
        stream=True,
    )
    assert json.loads(out.body)["tool_choice"] == {"type": choice}
    assert out.unsaid == unsaid


@pytest.mark.parametrize(
    ("given_fields", "written", "unsaid"),
    [
        ({"temperature": 1.0, "top_k": 5}, {}, ("temperature", "top_k")),
        ({"top_p": 0.9}, {}, ("top_p",)),
        ({"top_p": 0.99, "temperature": 0.1}, {"top_p": 0.99}, ("temperature",)),
    ],
)
def test_a_model_that_thinks_takes_a_high_top_p_only(
    given_fields: Any, written: Any, unsaid: tuple[str, ...]
) -> None:
    body, named = write(thinking=Thinking("adaptive"), **given_fields)
    assert {
        name: body[name] for name in ("temperature", "top_p", "top_k") if name in body
    } == written
    assert named == unsaid
