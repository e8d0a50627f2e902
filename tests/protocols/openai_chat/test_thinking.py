"""The four fields for thinking, and the one that is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import Thinking
from twotier.protocols.openai_chat import read_conversation
from twotier.protocols.openai_chat.thinking import write_thinking


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, None),
        ({"reasoning": {}}, None),
        ({"reasoning_effort": "low"}, Thinking(effort="low")),
        ({"reasoning_effort": "none"}, Thinking("off", effort="none")),
        ({"reasoning": {"effort": "xhigh"}}, Thinking(effort="xhigh")),
        ({"reasoning": {"max_tokens": 5}}, Thinking("budget", 5)),
        ({"reasoning": {"enabled": True}}, Thinking("adaptive")),
        ({"reasoning": {"enabled": False}}, Thinking("off")),
        (
            {"reasoning": {"effort": "high", "exclude": True}},
            Thinking(effort="high", shown="omitted"),
        ),
        ({"reasoning": {"summary": "concise"}}, Thinking(shown="concise")),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, Thinking("budget", 9)),
        ({"thinking": {"type": "enabled"}}, Thinking("adaptive")),
        ({"thinking": {"type": "disabled"}}, Thinking("off")),
        (
            {"thinking": {"type": "adaptive"}, "reasoning_effort": "max"},
            Thinking("adaptive", effort="max"),
        ),
        ({"enable_thinking": False}, Thinking("off")),
        ({"chat_template_kwargs": {"enable_thinking": True}}, Thinking("adaptive")),
    ],
)
def test_every_field_for_thinking_is_read(fields: Any, thinking: Thinking | None) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], **fields}
    conversation = read_conversation(json.dumps(body).encode())
    assert (conversation.thinking, conversation.unsaid) == (thinking, ())


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        (None, None),
        (Thinking("adaptive"), None),
        (Thinking("off"), "none"),
        (Thinking("adaptive", effort="medium"), "medium"),
        (Thinking(effort="minimal"), "low"),
        (Thinking(effort="max"), "high"),
        (Thinking("budget", 1_024), "low"),
        (Thinking("budget", 8_000), "medium"),
        (Thinking("budget", 32_000), "high"),
    ],
)
def test_what_servers_share_is_an_effort(thinking: Thinking | None, effort: str | None) -> None:
    assert write_thinking(thinking) == ({"reasoning_effort": effort} if effort else {})
