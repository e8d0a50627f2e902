"""Whatever a model writes: it comes out as text, or as calls of tools that the request has.

`make soak` does it at length.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.protocols.toolcalls.speaking import (
    ARGUMENTS,
    NAMED,
    TOOLS,
    WRITTEN,
    Heard,
    heard,
)
from twotier.domain.message import Finish, Reasoning, Text, Whole
from twotier.errors import UpstreamError
from twotier.protocols.json_schema import problems
from twotier.protocols.toolcalls import Repair
from twotier.protocols.toolcalls.base import CALLS_MAX
from twotier.protocols.toolcalls.detect import BARE
from twotier.protocols.toolcalls.families import OPENERS

SEED = int(os.environ.get("SEED", "1"))
EXAMPLES = 20_000 if os.environ.get("SOAK") else 300
BLANKS = 20_000
# What models do to what they know: leave something out, say it twice, mix families, stop early.
MARKS = ("```", "`", "\n\n", "</think>", "<", "[", "]<", '"', "'", "{", "}", "\\", "\ud83d", "\x00")
FINISHES: list[Finish] = ["stop", "length", "tool_calls", "refusal"]
TOOLBOXES: list[dict[str, Any]] = [
    TOOLS,
    {},
    {"now": {}},
    {"read_file": {"type": "object", "properties": {"path": {"enum": [3, None, "notes.txt"]}}}},
    {"read_file": {"anyOf": [{"required": ["file"]}, {"properties": {"path": {"type": "array"}}}]}},
    {"read_file": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}},
    {"read_file": {"type": "nothing", "properties": 5, "items": "x"}, "functions.now": {}},
]


def hurt(text: str, random: Random) -> str:
    """One thing done to a text."""
    start, end = sorted(random.choices(range(len(text) + 1), k=2))
    match random.randrange(6):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:end] + text[start:]
        case 2:
            return text[:start] + random.choice(MARKS) + text[start:]
        case 3:
            return text[:start] + random.choice([*WRITTEN.values(), *sorted(OPENERS)])
        case 4:
            return text[start:end]
    return text[:start] + " " * random.randrange(300) + text[start:]


def spoken(random: Random) -> str:
    """An answer as no template has it."""
    text = "".join(random.choices([*WRITTEN.values(), NAMED, "So.\n"], k=random.randrange(4)))
    for _ in range(random.randrange(5)):
        text = hurt(text, random)
    return text


def nothing_is_lost(found: Heard, text: str, *, thinking: str, tools: dict[str, Any]) -> None:
    """What a client hears is what was said, up to where the calls begin; and they may be made."""
    if not found.calls:
        assert (found.text, found.thinking) == (text, thinking)
    elif not text.strip():
        assert found.text == ""
        assert thinking.startswith(found.thinking)
    else:
        assert text.startswith(found.text)
        assert found.thinking == thinking
    for name, arguments in found.calls:
        assert not problems(arguments, tools[name])


@given(st.randoms(use_true_random=False))
@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None)
def test_nothing_raises_and_nothing_is_lost(random: Random) -> None:
    """Of every family, in any piece, with any tools."""
    text, thinking = spoken(random), spoken(random) * random.randrange(2)
    tools, finish = random.choice(TOOLBOXES), random.choice(FINISHES)
    family = random.choice(["", *sorted(BARE)])
    cuts = random.choices(range(400), k=random.randrange(9))
    cuts = [cut for cut in cuts if cut <= max(len(text), len(thinking))]
    how: Any = {"thinking": thinking, "finish": finish, "family": family, "tools": tools}
    found = heard(text, cuts=cuts, **how)
    nothing_is_lost(found, text, thinking=thinking, tools=tools)
    assert heard(text, cuts=range(max(len(text), len(thinking))), **how) == found
    assert in_one_piece(text, **how) == (found.kinds, len(found.calls))


def in_one_piece(
    text: str, *, thinking: str, finish: Finish, family: str, tools: dict[str, Any]
) -> tuple[Sequence[str], int]:
    """What becomes of the same answer where it is no stream: kinds, and the number of calls."""
    repair = Repair(lambda: tools, family=family)
    parts = [Reasoning(thinking)] * bool(thinking) + [Text(text)] * bool(text)
    try:
        found = repair.whole(Whole("a", "m", tuple(parts), finish))
    except UpstreamError:
        return tuple(repair.kinds), 0
    return tuple(repair.kinds), sum(not isinstance(part, Text | Reasoning) for part in found.parts)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_blanks_without_end_are_read_in_one_pass(text: str) -> None:
    """A pattern that tries every way to share them out stands still for hours."""
    for place in range(0, len(text), 3):
        said = f"{text}{text[:place]}{' ' * BLANKS}{text[place:]}"
        nothing_is_lost(heard(said), said, thinking="", tools=TOOLS)


def test_blanks_before_json_or_behind_thinking_pass_or_wait_unread() -> None:
    """However many come, each is looked at once."""
    cuts = range(4, BLANKS, 4)
    blank = "\n" * BLANKS
    found = heard(f"{blank}{NAMED}", cuts=cuts, family="hermes")
    assert (found.text, found.arguments) == (blank, [ARGUMENTS])
    found = heard(blank, thinking=WRITTEN["hermes"], cuts=cuts)
    assert (found.text, found.arguments) == ("", [ARGUMENTS])
    found = heard(f"{blank}no", thinking=WRITTEN["hermes"], cuts=cuts)
    assert (found.text, found.calls) == (f"{blank}no", ())


def steps(work: Callable[[], object]) -> int:
    """How many calls of functions a work takes, of Python's own too: what a time depends on."""
    count = 0

    def counted(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


REPEATED = [
    *sorted(OPENERS),
    "<function=now></function>",
    "<function=now></function> x ",
    "<tool_call>now</tool_call> ",
    f"{WRITTEN['minimax_m2']} x ",
    "[TOOL_CALLS]now[ARGS]{}",
    "<|python_tag|>{'name': 'now'};",
    '<|tool_call>call:now{a:"',
    "<|tool_call>call:now{a:[",
    "<tool_call>read_file<arg_key>path</arg_key><arg_value>x</arg_value>z",
    '<invoke name="now"><parameter name="path">x</parameter>z</invoke>',
    "`\n",
    "{'a':",
]


@pytest.mark.parametrize("marker", REPEATED)
@pytest.mark.parametrize("step", [4, 1_000_000])
def test_twice_as_many_markers_are_no_more_than_twice_the_work(marker: str, step: int) -> None:
    """Nor is there much of it: a few calls of functions for each piece and each marker."""
    counts = []
    for size in (4_000, 8_000):
        text = marker * (size // len(marker))
        cuts = range(step, len(text), step)
        counts.append(steps(partial(heard, text, cuts=cuts)))
        pieces = 1 + len(cuts)
        assert counts[-1] < 2_000 + 30 * pieces + 60 * (size // len(marker))
    assert counts[1] < 2.2 * counts[0] + 500


def test_a_loop_of_calls_is_given_up_before_all_of_it_is_read() -> None:
    """What is too many is known after so many, and the rest is not read."""
    few, many = ("<function=now></function>" * count for count in (100, 5_000))
    assert steps(partial(heard, many)) < 1.1 * steps(partial(heard, few))


@pytest.mark.parametrize("opener", ["[TOOL_CALLS]", "[TOOL_CALLS][", "<|python_tag|>"])
@pytest.mark.parametrize("count", [CALLS_MAX, CALLS_MAX + 1])
def test_so_many_calls_are_a_plan_and_one_more_is_none(opener: str, count: int) -> None:
    """In every form that has several."""
    one = "now{}" if opener == "[TOOL_CALLS]" else '{"name": "now"}'
    text = opener + ("," if opener.endswith("][") else ";" * (one != "now{}")).join([one] * count)
    found = heard(text)
    assert len(found.calls) == count % (CALLS_MAX + 1)
    assert found.text == text * (count > CALLS_MAX)
