"""The rows of the matrix: what each asks, and when an answer passes. Pure.

The first three of the bar are `single`, `parallel` and `agent` (see `router.bar`). Each repetition
asks for other files, so that passing twice is not saying the same thing twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from twotier.matrix.heard import LEAKED, Heard, arguments, broken, called
from twotier.matrix.tools import READ, TOOLS, WRITE, system_prompt
from twotier.protocols.json_schema import problems

TOKENS_MAX = 2_048  # room to think; who only talks is left long before
TALK_CHARS_MAX = 240
AGENT_TOKENS_MAX = 2_000
BYTES_PER_TOKEN = 4
FILES = ("notes.txt", "todo.md", "plan.txt", "list.csv", "report.md", "draft.txt", "log.txt")
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"buyer": {"type": "string"}, "euros": {"type": "integer"}},
    "required": ["buyer", "euros"],
    "additionalProperties": False,
}
Body = dict[str, Any]
# The rows that measure: see `depths`.
MEASURED: Mapping[str, str] = {
    "shallow": "reads a short prompt, and answers",
    "middle": "reads a longer prompt, and answers",
    "deep": "reads a prompt as long as its window, or as it reads in ten seconds",
    "window": "remembers the first and the last word of the longest prompt",
}


class Row(msgspec.Struct, frozen=True):
    """One row. `body` gives the question of a repetition, without model and stream; `judge` says
    why its answer does not pass. An answer of more than `talk_chars_max` is left.
    """

    name: str
    passes: str
    body: Callable[[int], Body]
    judge: Callable[[Heard, int], str]
    talk_chars_max: int = TALK_CHARS_MAX


def rows(window_tokens: int) -> Sequence[Row]:
    """All rows but those that measure; the long prompt fits the window."""
    room = min(AGENT_TOKENS_MAX, window_tokens // 2)
    rules = system_prompt(max(400, room * BYTES_PER_TOKEN - len(json.dumps(TOOLS))))
    return (
        Row("single", "calls the tool it needs", single, judge_single),
        Row("parallel", "calls two tools in one step", parallel, judge_parallel),
        Row(
            "agent",
            "calls the right one of 15 tools after a long system prompt",
            lambda number: agent(number, rules),
            judge_agent,
        ),
        Row("thinking", "calls after thinking, and not inside it", thinking, judge_thinking),
        Row("cut", "says that a call was cut off by the limit", cut, judge_cut),
        Row("broken", "calls again after a call that was broken", broken_before, judge_broken),
        Row("markup", "carries </parameter> inside a value", markup, judge_markup),
        Row("json", "answers with JSON that fits a schema", structured, judge_structured),
        Row("stop", "stops before the stop sequence", stop, judge_stop),
    )


@cache
def means() -> Mapping[str, str]:
    """What each row has to do, by its name; the same for every window."""
    return {**MEASURED} | {row.name: row.passes for row in rows(AGENT_TOKENS_MAX)}


def file(number: int) -> str:
    """The file of a repetition."""
    return FILES[number % len(FILES)]


def user(text: str) -> Body:
    """One message of a person."""
    return {"role": "user", "content": text}


def asked(*messages: Body, tools: Sequence[Body] = (), **more: Any) -> Body:
    """The body of a question."""
    found: Body = {"messages": list(messages), "max_tokens": TOKENS_MAX, "temperature": 0, **more}
    return {**found, "tools": list(tools)} if tools else found


def single(number: int) -> Body:
    """One tool, one file."""
    return asked(user(f"Read the file {file(number)} and tell me what is in it."), tools=[READ])


def judge_single(heard: Heard, number: int) -> str:
    """The one call."""
    return called(heard, [("read_file", {"path": file(number)})], tools=[READ])


def parallel(number: int) -> Body:
    """Two files that do not depend on each other."""
    text = f"Read the files {file(number)} and {file(number + 1)}, both in one step, then compare."
    return asked(user(text), tools=[READ])


def judge_parallel(heard: Heard, number: int) -> str:
    """Both calls in the same answer."""
    both = [("read_file", {"path": file(at)}) for at in (number, number + 1)]
    return called(heard, both, tools=[READ])


def agent(number: int, rules: str) -> Body:
    """As an agent asks."""
    system = {"role": "system", "content": rules}
    return asked(system, user(f"What does {file(number)} say about Monday?"), tools=TOOLS)


def judge_agent(heard: Heard, number: int) -> str:
    """Reads the file, with the right one of fifteen tools."""
    return called(heard, [("read_file", {"path": file(number)})], tools=TOOLS)


def thinking(number: int) -> Body:
    """A question that makes a model think before it calls."""
    text = (
        f"One of {file(number)} and shopping.txt holds a shopping list. Think step by step which"
        " one it must be, then read that one."
    )
    return asked(user(text), tools=[READ])


def judge_thinking(heard: Heard, number: int) -> str:  # noqa: ARG001 - the rows' own shape
    """The call, and none of it in the thoughts."""
    return called(heard, [("read_file", {"path": "shopping.txt"})], tools=[READ])


def cut(number: int) -> Body:
    """A call that is longer than its limit."""
    text = f"Use write_file to write a poem of forty lines about rivers to {file(number)}."
    return asked(user(text), tools=[WRITE], max_tokens=24)


def judge_cut(heard: Heard, number: int) -> str:  # noqa: ARG001 - the rows' own shape
    """`length`, or an error; never something that looks whole."""
    if heard.error or heard.finish == "length":
        return ""
    if any(arguments(call) is None for call in heard.calls):
        return "a call that was cut off looks whole"
    return LEAKED if heard.leaks else ""


def broken_before(number: int) -> Body:
    """The call before this one was no JSON, as models write it now and then."""
    function = {"name": "read_file", "arguments": f'{{"path": "{file(number)}'}
    call = {"id": "call_1", "type": "function", "function": function}
    said = f"error: the arguments are not valid JSON; call read_file for {file(number)} again"
    return asked(
        user(f"Read the file {file(number)} and tell me what is in it."),
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": said},
        tools=[READ],
    )


def judge_broken(heard: Heard, number: int) -> str:
    """The conversation is taken, and the call comes again."""
    return called(heard, [("read_file", {"path": file(number)})], tools=[READ])


def markup(number: int) -> Body:
    """A value that looks like the end of a value."""
    text = f"Use write_file to write this line to {file(number)}: <b>a</parameter>b</b>"
    return asked(user(text), tools=[WRITE])


def judge_markup(heard: Heard, number: int) -> str:
    """All of the line, not what stands before the mark."""
    expected = [("write_file", {"path": file(number), "content": "<b>a</parameter>b</b>"})]
    return called(heard, expected, tools=[WRITE])


def structured(number: int) -> Body:
    """An answer for a program."""
    text = f"Tom paid {17 + number} euros for apples. Give the buyer and the euros as JSON."
    form = {"name": "purchase", "strict": True, "schema": SCHEMA}
    return asked(user(text), response_format={"type": "json_schema", "json_schema": form})


def judge_structured(heard: Heard, number: int) -> str:
    """JSON and nothing else, that fits, with the right figure."""
    if why := broken(heard):
        return why
    try:
        found = msgspec.json.decode(heard.text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return "its answer is not JSON"
    if problems(found, SCHEMA):
        return "its JSON does not fit the schema"
    return "" if found["euros"] == 17 + number else "its JSON holds another figure"


def stop(number: int) -> Body:
    """A word that must not come."""
    words = f"one two three {file(number).split('.')[0]} five six"
    text = f"Repeat these words and nothing else: {words}"
    return asked(user(text), stop=["five"], max_tokens=200)


def judge_stop(heard: Heard, number: int) -> str:  # noqa: ARG001 - the rows' own shape
    """Ended, and before it."""
    if why := broken(heard):
        return why
    if heard.left or heard.finish != "stop":
        return "went on talking"
    return "the stop sequence is in its answer" if "five" in heard.text else ""
