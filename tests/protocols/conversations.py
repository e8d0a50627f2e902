"""Conversations for properties: what Chat Completions can say, and so what must survive it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from twotier.domain.message import (
    Conversation,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FULL_TEXTS = TEXTS.filter(lambda text: bool(text.strip()))
NAMES = st.from_regex(r"[a-z_]{1,10}", fullmatch=True)
IMAGES = st.sampled_from(
    [Image(url="https://example.com/a.png"), Image(data="AAAA", media_type="image/png")]
)
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    ]
)
ARGUMENTS = st.sampled_from(["{}", '{"a": "x"}', '{"b":[1,2,{"c":null}]}'])
TOOLS = st.builds(Tool, NAMES, TEXTS, SCHEMAS, st.sampled_from([None, True, False]))
CHOICES = st.one_of(
    st.none(),
    st.builds(
        ToolChoice,
        st.sampled_from(["auto", "none", "required"]),
        parallel=st.sampled_from([None, True, False]),
    ),
    st.builds(lambda name: ToolChoice("tool", name), NAMES),
)


@st.composite
def exchanges(draw: st.DrawFn, number: int) -> list[Message]:
    """A user turn, an answer, and the results of its calls."""
    shown = draw(st.lists(st.one_of(FULL_TEXTS.map(Text), IMAGES), min_size=1, max_size=3))
    turns = [Message("user", tuple(shown))]
    parts: list[Part] = []
    thinking = draw(TEXTS)
    if thinking:
        parts.append(Reasoning(thinking))
    parts.append(Text(draw(FULL_TEXTS)))
    calls = [
        ToolCall(f"call_{number}_{at}", draw(NAMES), draw(ARGUMENTS))
        for at in range(draw(st.integers(0, 2)))
    ]
    turns.append(Message("assistant", (*parts, *calls)))
    turns += [Message("tool", (ToolResult(call.id, (Text(draw(TEXTS)),)),)) for call in calls]
    return turns


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """One that ends with the user's turn."""
    system = tuple(Text(text) for text in draw(st.lists(FULL_TEXTS, max_size=2)))
    turns = [turn for number in range(draw(st.integers(0, 3))) for turn in draw(exchanges(number))]
    tools = draw(st.lists(TOOLS, max_size=3, unique_by=lambda tool: tool.name))
    return Conversation(
        messages=(
            *([Message("system", system)] if system else []),
            *turns,
            Message("user", (Text(draw(FULL_TEXTS)),)),
        ),
        tools=tuple(tools),
        tool_choice=draw(CHOICES) if tools else None,
        max_output_tokens=5,
        temperature=draw(st.sampled_from([None, 0.0, 0.7])),
        top_p=draw(st.sampled_from([None, 0.9])),
        stop=draw(st.sampled_from([(), ("END",), ("a", "b")])),
        output_schema=draw(st.sampled_from([None, {}, {"type": "object", "properties": {}}])),
        user=draw(st.sampled_from(["", "ann"])),
    )
