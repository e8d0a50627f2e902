"""Conversations and answers with all that the neutral form knows, for properties of any dialect."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import strategies as st

from tests.protocols.conversations import CHOICES, FULL_TEXTS, NAMES, SCHEMAS, TEXTS
from twotier.domain.message import (
    Closed,
    Conversation,
    Document,
    Ended,
    Event,
    Finish,
    Image,
    Message,
    Metered,
    Part,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from twotier.protocols.freeform import freeform, wrapped

CACHES = st.sampled_from(["", "", "5m", "1h"])
WORDS = st.from_regex(r"[a-z]{3,8}", fullmatch=True)
IMAGES = st.builds(
    Image,
    st.sampled_from(["https://example.com/a.png"]),
    detail=st.sampled_from(["", "low", "high"]),
    cache=CACHES,
) | st.builds(Image, data=st.just("AAAA"), media_type=st.just("image/png"), cache=CACHES)
DOCUMENTS = st.sampled_from(
    [
        Document("a.pdf", data="JVBERi0=", media_type="application/pdf"),
        Document("n.txt", text="a note", media_type="text/plain"),
    ]
)
MARKED = st.builds(Text, FULL_TEXTS, CACHES)
SHOWN = MARKED | IMAGES | DOCUMENTS
SEALS = st.sampled_from(["c2lnbmVk", "c2VhbA=="])
THOUGHTS = (
    st.builds(Reasoning, FULL_TEXTS)
    | st.builds(Reasoning, FULL_TEXTS, SEALS)
    | st.builds(lambda data: Reasoning("", hidden=data), SEALS)
)
ARGUMENTS = st.dictionaries(WORDS, st.none() | st.booleans() | st.integers(0, 99) | TEXTS).map(
    lambda found: json.dumps(found, separators=(",", ":"), ensure_ascii=False)
)
TOOLS = st.builds(
    Tool, NAMES, TEXTS, SCHEMAS, st.sampled_from([None, True, False]), cache=CACHES
) | st.builds(freeform, NAMES, TEXTS)
THINKING = (
    st.none()
    | st.builds(
        Thinking,
        st.sampled_from(["", "adaptive"]),
        effort=st.sampled_from(["", "low", "high"]),
        shown=st.sampled_from(["", "auto", "omitted"]),
    )
    | st.just(Thinking("off"))
)


@st.composite
def turns(draw: st.DrawFn, number: int, *, tidy: bool) -> list[Message]:
    """What a user says, an answer, and the results of its calls. Untidy: in any order, with gaps,
    failures and late words of the system.
    """
    made = [Message("user", tuple(draw(st.lists(SHOWN, min_size=1, max_size=3))))]
    names = [(draw(NAMES), draw(st.booleans())) for _ in range(draw(st.integers(0, 2)))]
    calls = [
        ToolCall(
            f"call_{number}_{at}",
            name,
            wrapped(draw(TEXTS)) if custom else draw(ARGUMENTS),
            freeform=custom,
        )
        for at, (name, custom) in enumerate(names)
    ]
    parts: list[Part] = [*draw(st.lists(THOUGHTS, max_size=2)), Text(draw(FULL_TEXTS)), *calls]
    made.append(Message("assistant", tuple(parts)))
    failures = st.just(False) if tidy else st.booleans()
    results = [
        Message(
            "tool",
            (ToolResult(call.id, tuple(draw(st.lists(SHOWN, max_size=2))), draw(failures)),),
        )
        for call in calls
    ]
    if not tidy:
        results = draw(st.permutations(results))[draw(st.integers(0, 1)) :]
        late = draw(st.sampled_from(["", "system", "user"]))
        words = Message(late or "user", (Text(draw(FULL_TEXTS)),))  # type: ignore[arg-type]
        results = [words, *results] if late else results
    return [*made, *results]


@st.composite
def rich_conversations(draw: st.DrawFn, *, tidy: bool = False) -> Conversation:
    """One that ends with the user's turn."""
    system = tuple(draw(st.lists(MARKED, max_size=2)))
    tools = draw(st.lists(TOOLS, max_size=3, unique_by=lambda tool: tool.name))
    said = [turn for at in range(draw(st.integers(0, 3))) for turn in draw(turns(at, tidy=tidy))]
    return Conversation(
        messages=(
            *([Message("system", system)] if system else []),
            *said,
            Message("user", (Text(draw(FULL_TEXTS)),)),
        ),
        tools=tuple(tools),
        tool_choice=draw(CHOICES) if tools else None,
        max_output_tokens=5,
        temperature=draw(st.sampled_from([None, 0.0, 0.5])),
        top_p=draw(st.sampled_from([None, 0.96])),
        top_k=draw(st.sampled_from([None, 5])),
        stop=draw(st.sampled_from([(), ("END",)])),
        output_schema=draw(st.sampled_from([None, {}, {"type": "object", "properties": {}}])),
        thinking=draw(THINKING),
        service_tier=draw(st.sampled_from(["", "auto", "flex", "priority"])),
        metadata=draw(st.sampled_from([{}, {"team": "a"}])),
        user=draw(st.sampled_from(["", "ann"])),
    )


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """The text in up to three pieces, none of them empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=2)))
    edges = [0, *cuts, len(text)]
    found = [text[start:end] for start, end in pairwise(edges)]
    return [piece for piece in found if piece]


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """The events of a whole answer, from its first content to its end: thinking (all of it signed,
    or none), text, calls one after the other.
    """
    events: list[Event] = []
    signed = draw(st.booleans())
    for _ in range(draw(st.integers(0, 2)) if signed else draw(st.integers(0, 1))):
        events += [ReasoningDelta(piece) for piece in pieces(draw, draw(FULL_TEXTS))]
        if signed:
            events.append(ReasoningDelta("", draw(SEALS)))
            if draw(st.booleans()):
                events.append(ReasoningDelta("", hidden=draw(SEALS)))
    if draw(st.booleans()):
        events += [TextDelta(piece) for piece in pieces(draw, draw(FULL_TEXTS))]
    calls = draw(st.integers(0, 2))
    for at in range(calls):
        events.append(ToolCallBegan(at, f"call_{at}", draw(NAMES)))
        events += [ToolCallDelta(at, piece) for piece in pieces(draw, draw(ARGUMENTS))]
    finishes: list[Finish] = ["tool_calls"] if calls else ["stop", "length", "refusal"]
    usage = Usage(
        draw(st.integers(0, 99)),
        draw(st.integers(3, 99)),
        cache_read_tokens=draw(st.integers(0, 9)),
    )
    return [*events, Ended(draw(st.sampled_from(finishes))), Metered(usage, final=True), Closed()]
