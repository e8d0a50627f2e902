"""Models that speak, for the tests of the families: what they write, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
)
from twotier.protocols.toolcalls import Kind, Repair
from twotier.protocols.toolcalls.deepseek import BAR, token
from twotier.protocols.toolcalls.minimax import NAMESPACE

TOOLS: dict[str, Any] = {
    "read_file": {
        "type": "object",
        "required": ["path"],
        "properties": {"path": {"type": "string"}, "lines": {"type": "integer"}},
        "additionalProperties": False,
    },
    "now": {},
}
NS = NAMESPACE
PATH, LINES = "notes.txt", 3
ARGUMENTS = {"path": PATH, "lines": LINES}
JSON = json.dumps(ARGUMENTS)
NAMED = json.dumps({"name": "read_file", "arguments": ARGUMENTS})
D = f"{BAR}DSML{BAR}"

# One call of `read_file`, as each family writes it.
WRITTEN = {
    "minimax_m2": (
        '<minimax:tool_call>\n<invoke name="read_file">\n<parameter name="path">notes.txt'
        '</parameter>\n<parameter name="lines">3</parameter>\n</invoke>\n</minimax:tool_call>'
    ),
    "minimax_m3": (
        f'{NS}<tool_call>\n{NS}<invoke name="read_file">{NS}<path>notes.txt{NS}</path>'
        f"{NS}<lines>3{NS}</lines>{NS}</invoke>\n{NS}</tool_call>"
    ),
    "qwen3_coder": (
        "<tool_call>\n<function=read_file>\n<parameter=path>\nnotes.txt\n</parameter>\n"
        "<parameter=lines>\n3\n</parameter>\n</function>\n</tool_call>"
    ),
    "hermes": f"<tool_call>\n{NAMED}\n</tool_call>",
    "glm": (
        "<tool_call>read_file\n<arg_key>path</arg_key>\n<arg_value>notes.txt</arg_value>\n"
        "<arg_key>lines</arg_key>\n<arg_value>3</arg_value>\n</tool_call>"
    ),
    "kimi_k2": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.read_file:0"
        f"<|tool_call_argument_begin|>{JSON}<|tool_call_end|><|tool_calls_section_end|>"
    ),
    "mistral": f"[TOOL_CALLS][{NAMED}]",
    "mistral_named": f"[TOOL_CALLS]read_file[CALL_ID]abc123456[ARGS]{JSON}",
    "llama3_json": f"<|python_tag|>{NAMED.replace('arguments', 'parameters')}<|eom_id|>",
    "deepseek": (
        f"{token('tool calls begin')}{token('tool call begin')}function{token('tool sep')}"
        f"read_file\n```json\n{JSON}\n```{token('tool call end')}{token('tool calls end')}"
    ),
    "deepseek_v31": (
        f"{token('tool calls begin')}{token('tool call begin')}read_file{token('tool sep')}"
        f"{JSON}{token('tool call end')}{token('tool calls end')}"
    ),
    "deepseek_dsml": (
        f'<{D}function_calls>\n<{D}invoke name="read_file">\n'
        f'<{D}parameter name="path" string="true">notes.txt</{D}parameter>\n'
        f'<{D}parameter name="lines" string="false">3</{D}parameter>\n'
        f"</{D}invoke>\n</{D}function_calls>"
    ),
    "harmony": (
        f"<|channel|>commentary to=functions.read_file <|constrain|>json<|message|>{JSON}<|call|>"
    ),
    "harmony_before": (
        f"<|start|>assistant to=functions.read_file<|channel|>commentary json<|message|>{JSON}"
    ),
    "gemma": '<|tool_call>call:read_file{path:<|"|>notes.txt<|"|>,lines:3}<tool_call|>',
    "function_gemma": (
        "<start_function_call>call:read_file{path:<escape>notes.txt<escape>,lines:3}"
        "<end_function_call>"
    ),
}


@dataclass(frozen=True)
class Heard:
    """What a client sees of an answer."""

    text: str
    thinking: str
    calls: tuple[tuple[str, Any], ...]
    finish: str
    kinds: tuple[Kind, ...]

    @property
    def arguments(self) -> list[Any]:
        """Of each call."""
        return [arguments for _, arguments in self.calls]


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    """The text cut at these places; with `range(len(text))` into single characters."""
    places = [0, *sorted(set(cuts) - {0}), len(text)]
    return [text[a:b] for a, b in pairwise(places)]


def heard(
    text: str,
    *,
    cuts: Sequence[int] = (),
    thinking: str = "",
    finish: Finish = "stop",
    family: str = "",
    tools: dict[str, Any] = TOOLS,
) -> Heard:
    """An answer that comes in pieces, repaired."""
    repair = Repair(lambda: tools, family=family)
    events: list[Event] = [Began("a", "m")]
    events += [ReasoningDelta(piece) for piece in pieces(thinking, cuts) if thinking]
    events += [TextDelta(piece) for piece in pieces(text, cuts) if text]
    events += [Ended(finish), Closed()]
    out = [one for event in events for one in repair.feed([event])]
    return as_heard(out, repair)


def as_heard(out: Sequence[Event], repair: Repair) -> Heard:
    """Events as a client adds them up. `finish` is the kind of a failure, where it is one."""
    last = out[-1]
    finishes = [event.finish for event in out if isinstance(event, Ended)]
    assert isinstance(last, Closed | Failed)
    names = {event.index: event.name for event in out if isinstance(event, ToolCallBegan)}
    arguments = dict.fromkeys(names, "")
    for event in out:
        if isinstance(event, ToolCallDelta):
            arguments[event.index] += event.arguments
    return Heard(
        "".join(event.text for event in out if isinstance(event, TextDelta)),
        "".join(event.text for event in out if isinstance(event, ReasoningDelta)),
        tuple((name, json.loads(arguments[index])) for index, name in names.items()),
        last.kind if isinstance(last, Failed) else finishes[0],
        tuple(repair.kinds),
    )
