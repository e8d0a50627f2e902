"""Conversations for properties: what Messages can say, and what clients make a mess of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.protocols.conversations import ARGUMENTS, FULL_TEXTS, NAMES, TEXTS
from twotier.domain.message import (
    Cache,
    Conversation,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

MODELS = (
    "claude-3-5-haiku-latest",
    "claude-3-7-sonnet-latest",
    "claude-opus-4-20250514",
    "claude-opus-4-1",
    "claude-haiku-4-5-20251001",
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-sonnet-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-5-5",
    "claude-fable-5-2",
    "claude-mythos-5",
)
CACHES: st.SearchStrategy[Cache] = st.sampled_from(["", "", "5m", "1h"])
SHOWN = st.one_of(
    st.builds(Text, FULL_TEXTS, CACHES),
    st.builds(lambda cache: Image(url="https://e.com/a.png", cache=cache), CACHES),
    st.builds(lambda cache: Image(data="AAAA", media_type="image/png", cache=cache), CACHES),
    st.builds(lambda cache: Document("d", url="https://e.com/a.pdf", cache=cache), CACHES),
    st.builds(lambda cache: Document("d", "", "AAAA", "application/pdf", cache=cache), CACHES),
    st.builds(lambda text: Document("d", media_type="text/plain", text=text), FULL_TEXTS),
)
THOUGHTS = st.one_of(
    st.builds(Reasoning, TEXTS, st.just("signed")),
    st.builds(lambda data: Reasoning("", hidden=data), NAMES),
)
CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": ["string", "null"]}, "b": {"$ref": "#/$defs/x"}},
    "$defs": {"x": {"type": "integer"}},
    "additionalProperties": False,
}
TOOLS = st.builds(
    lambda name, text, strict, cache: Tool(name, text, CLOSED, strict, cache=cache),
    NAMES,
    TEXTS,
    st.sampled_from([None, True]),
    CACHES,
)
WISHES = st.one_of(
    st.none(),
    st.builds(
        Thinking,
        st.sampled_from(["", "off", "adaptive", "budget"]),
        st.sampled_from([None, 500, 1_024, 9_000, 90_000]),
        st.sampled_from(["", "none", "minimal", "low", "medium", "high", "xhigh", "max", "new"]),
        st.sampled_from(["", "omitted", "summarized", "auto", "detailed"]),
    ),
)


@st.composite
def exchanges(draw: st.DrawFn, number: int) -> list[Message]:
    """A user turn, an answer with its thinking, and the results of its calls."""
    calls = [
        ToolCall(f"call_{number}_{at}", draw(NAMES), draw(ARGUMENTS), cache=draw(CACHES))
        for at in range(draw(st.integers(0, 2)))
    ]
    results = [
        ToolResult(call.id, tuple(draw(st.lists(SHOWN, max_size=2))), draw(st.booleans()))
        for call in calls
    ]
    said = Text(draw(FULL_TEXTS))
    return [
        Message("user", tuple(draw(st.lists(SHOWN, min_size=1, max_size=3)))),
        Message("assistant", (*draw(st.lists(THOUGHTS, max_size=2)), said, *calls)),
        *(Message("tool", (result,)) for result in results),
    ]


@st.composite
def talks(draw: st.DrawFn) -> Conversation:
    """One that Opus 4.6 can be asked as it is."""
    system = tuple(draw(st.lists(st.builds(Text, FULL_TEXTS, CACHES), max_size=2)))
    turns = [turn for number in range(draw(st.integers(0, 3))) for turn in draw(exchanges(number))]
    tools = tuple(draw(st.lists(TOOLS, max_size=3, unique_by=lambda tool: tool.name)))
    efforts = st.sampled_from(["", "low", "medium", "high", "max"])
    thinking = draw(
        st.one_of(
            st.none(),
            st.builds(lambda effort: Thinking("adaptive", None, effort, "summarized"), efforts),
        )
    )
    return Conversation(
        messages=(
            *([Message("system", system)] if system else []),
            *turns,
            Message("user", (Text(draw(FULL_TEXTS)),)),
        ),
        tools=tools,
        tool_choice=draw(choices(tools)),
        max_output_tokens=4_000,
        temperature=None if thinking else draw(st.sampled_from([None, 0.0, 0.7])),
        top_k=None if thinking else draw(st.sampled_from([None, 5])),
        stop=draw(st.sampled_from([(), ("END",), ("a", "b")])),
        output_schema=draw(st.sampled_from([None, CLOSED])),
        thinking=thinking,
        service_tier=draw(st.sampled_from(["", "auto", "default"])),
        user=draw(st.sampled_from(["", "ann"])),
    )


def choices(tools: tuple[Tool, ...]) -> st.SearchStrategy[ToolChoice | None]:
    """A choice among the tools there are."""
    if not tools:
        return st.none()
    parallel = st.sampled_from([None, True, False])
    return st.one_of(
        st.none(),
        st.just(ToolChoice("none")),
        st.builds(
            lambda mode, many: ToolChoice(mode, "", many),
            st.sampled_from(["auto", "required"]),
            parallel,
        ),
        st.builds(lambda many: ToolChoice("tool", tools[0].name, many), parallel),
    )


IDS = st.sampled_from(["a", "b", "c:1", ""])
PIECES: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, st.sampled_from(["", " ", "word", "word "])),
    st.just(Image(data="AAAA", media_type="image/png")),
    st.just(Document("d", media_type="text/plain", text="")),
    st.builds(Reasoning, st.just("hm"), st.sampled_from(["", "signed"])),
    st.builds(lambda data: Reasoning("", hidden=data), st.sampled_from(["sealed", "gAAAAfoo"])),
    st.builds(ToolCall, IDS, NAMES, st.sampled_from(["{}", '{"a": 1}', "{", ""])),
    st.builds(ToolResult, IDS, st.sampled_from([(), (Text(""),), (Text("done"),)])),
)
MESSES = st.lists(
    st.builds(
        Message,
        st.sampled_from(["system", "user", "assistant", "tool"]),
        st.lists(PIECES, max_size=3).map(tuple),
    ),
    max_size=8,
)


@st.composite
def messes(draw: st.DrawFn) -> Conversation:
    """Whatever a client may have put together, with the user's question at its end."""
    tools = tuple(draw(st.lists(TOOLS, max_size=2, unique_by=lambda tool: tool.name)))
    return Conversation(
        messages=(*draw(MESSES), Message("user", (Text("go on"),))),
        tools=tuple(Tool(tool.name, tool.description, tool.schema) for tool in tools),
        tool_choice=draw(choices(tools)),
        temperature=draw(st.sampled_from([None, 0.7, 1.0, 1.7])),
        top_p=draw(st.sampled_from([None, 0.5, 0.99])),
        top_k=draw(st.sampled_from([None, 5])),
        stop=draw(st.sampled_from([(), ("END", "\n")])),
        output_schema=draw(st.sampled_from([None, {}, {"type": "object", "properties": {}}])),
        thinking=draw(WISHES),
        service_tier=draw(st.sampled_from(["", "auto", "default", "flex", "priority"])),
        metadata=draw(st.sampled_from([{}, {"team": "a"}])),
    )
