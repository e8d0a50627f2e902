"""Each family's way of writing a call becomes the call, and its flaws are forgiven or named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.protocols.toolcalls.speaking import (
    ARGUMENTS,
    JSON,
    NAMED,
    NS,
    PATH,
    WRITTEN,
    D,
    heard,
)
from twotier.protocols.toolcalls import Kind
from twotier.protocols.toolcalls.base import CALLS_MAX
from twotier.protocols.toolcalls.deepseek import BAR, token
from twotier.protocols.toolcalls.families import OPENERS

INVOKE = f'<invoke name="read_file"><parameter name="path">{PATH}</parameter></invoke>'
KIMI = "<|tool_call_begin|>functions.read_file:0<|tool_call_argument_begin|>"


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_call_in_the_words_of_a_family_is_that_call(text: str) -> None:
    """Behind an answer in words, which stays."""
    found = heard(f"I look.\n{text}\n")
    assert found.calls == (("read_file", ARGUMENTS),)
    assert found.text == "I look.\n"
    assert found.finish == "tool_calls"
    assert found.kinds == (Kind.LEAKED,)


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_tool_nobody_offered_is_not_called(text: str) -> None:
    """It is text then, all of it."""
    found = heard(text, tools={"other": {}})
    assert (found.text, found.calls, found.finish) == (text, (), "stop")


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_call_with_words_behind_it_is_not_the_tail(text: str) -> None:
    """Whoever goes on talking has not called."""
    said = f"{text}\nThat is how it is done."
    assert heard(said).text == said


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_quoted_call_stays_text(text: str) -> None:
    """In a fence, and behind a back-tick."""
    for said in (f"So:\n```\n{text}", f"So: `{text}", f"So:\n```xml\n{text}\n```\n"):
        assert heard(said).text == said


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_closed_fence_quotes_nothing_behind_it(text: str) -> None:
    """The model showed something, and then called."""
    assert len(heard(f"```\nls\n```\n{text}").calls) == 1


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_wherever_a_call_is_cut_by_the_limit_nothing_runs(text: str) -> None:
    """Half an argument is another argument."""
    for size in range(len(text)):
        found = heard(text[:size], finish="length")
        assert found.finish == "length" or found.arguments == [ARGUMENTS]
        assert found.text == text[:size] or found.arguments == [ARGUMENTS]


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_wherever_a_model_stops_it_runs_whole_arguments_or_nothing(text: str) -> None:
    """An end tag may be missing; no value ever is cut."""
    for size in range(len(text)):
        for arguments in heard(text[:size]).arguments:
            assert arguments in (ARGUMENTS, {"path": PATH})


@pytest.mark.parametrize(
    ("text", "flaws"),
    [
        (INVOKE, {Kind.UNWRAPPED}),
        (f"{INVOKE}</minimax:tool_call>", {Kind.UNWRAPPED}),
        (f"<minimax:tool_call>{INVOKE}", {Kind.UNCLOSED}),
        (f"<minimax:tool_call>{INVOKE.removesuffix('</invoke>')}", {Kind.UNCLOSED}),
        (INVOKE.replace("</parameter>", "\n"), {Kind.UNCLOSED, Kind.UNWRAPPED}),
        (INVOKE.replace('"', "'"), {Kind.UNWRAPPED}),
        (INVOKE.replace('"', ""), {Kind.UNWRAPPED}),
        (f"{INVOKE}[e~[</think>", {Kind.UNWRAPPED}),
        (f"<function=read_file><parameter=path>{PATH}</parameter></function>", {Kind.UNWRAPPED}),
        (f"<function=read_file><parameter=path>{PATH}</parameter></function></tool_call>", None),
        (f"<tool_call>{NAMED}", {Kind.UNCLOSED}),
        (f"<tool_call>{NAMED[:-1]}", {Kind.UNCLOSED, Kind.JSON}),
        (f"<tool_call>{NAMED[:-1]},}}</tool_call>", {Kind.JSON}),
        (f"{KIMI}{JSON}<|tool_call_end|>", {Kind.UNWRAPPED}),
        (f"{KIMI}{JSON}", {Kind.UNWRAPPED, Kind.UNCLOSED}),
        (f"{token('tool call begin')}read_file{token('tool sep')}{JSON}", None),
        (f'<{D}invoke name="read_file"><{D}parameter name="path">{PATH}</{D}parameter>', None),
        (f'{NS}<invoke name="read_file">{NS}<path>{PATH}{NS}</path>', None),
        (f'<tool_call>\n{NS}<invoke name="read_file">{NS}<path>{PATH}{NS}</path>', None),
        ("<tool_call>read_file\n<arg_key>path</arg_key><arg_value>notes.txt</arg_value>", None),
        (f"<start_function_call>call:read_file{{path:{PATH}}}", {Kind.UNCLOSED}),
        (f'<|tool_call>call:read_file{{"path":"{PATH}"}}<tool_call|>', set()),
    ],
)
def test_missing_tags_are_forgiven_and_named(text: str, flaws: set[Kind] | None) -> None:
    """The wrapper, its end, the call's own end."""
    found = heard(text)
    assert found.arguments in ([ARGUMENTS], [{"path": PATH}])
    assert Kind.LEAKED in found.kinds
    if flaws is not None:
        assert set(found.kinds) == {Kind.LEAKED, *flaws}


@pytest.mark.parametrize(
    "text",
    [
        '<invoke name="read_file"><parameter name="path">notes.txt',
        "<tool_call>read_file<arg_key>path</arg_key><arg_value>notes.txt",
        "<tool_call>read_file<arg_key>path</arg_key><arg_value>a</arg_value>b</arg_value>c",
        f"{KIMI}[1]",
        f"{KIMI}nothing",
        f"{KIMI}{{",
        "[TOOL_CALLS]read_file[ARGS]{nothing}",
        '[TOOL_CALLS][{"name": 1}]',
        "[TOOL_CALLS][{a}]",
        '[TOOL_CALLS]{"name": "read_file", "arguments": [1]}',
        '<|python_tag|>{"name": "read_file", "arguments": "{} {}"}',
        "<|python_tag|>{nothing}",
        f"{token('tool call begin')}read_file{token('tool sep')}{{",
        f"{token('tool call begin')}read_file{token('tool sep')}",
        "<|channel|>commentary to=functions.read_file<|message|>[]",
        f'{NS}<invoke name="read_file">{NS}<path>{PATH}',
        f'<{D}invoke name="read_file"><{D}parameter name="path">{PATH}',
        f"<|tool_call>call:read_file{{path:<escape>{PATH}}}",
        "<|tool_call>call:read_file{path:[}<tool_call|>",
        "<|tool_call>call:read_file{path::}<tool_call|>",
        "<|tool_call>call:read_file{path",
        f"<tool_call>{NAMED}</tool_call><tool_call>{{</tool_call>",
        "<tool_call>[1]</tool_call>",
    ],
)
def test_what_cannot_be_read_stays_text(text: str) -> None:
    """A value without an end, arguments that are none."""
    found = heard(text)
    assert (found.text, found.calls) == (text, ())


@pytest.mark.parametrize("kind", ["minimax_m2", "qwen3_coder", "deepseek_dsml", "glm"])
def test_an_end_tag_inside_a_value_does_not_end_it(kind: str) -> None:
    """Files about tool calls are written with tool calls."""
    end = {
        "minimax_m2": "</parameter>",
        "qwen3_coder": "</parameter>",
        "deepseek_dsml": f"</{D}parameter>",
        "glm": "</arg_value>",
    }[kind]
    inner = f"a {end} b\n\nand `{end}`: yes"
    text = WRITTEN[kind].replace(PATH, inner)
    assert heard(text).arguments == [{"path": inner, "lines": 3}]


def test_a_call_quoted_in_an_argument_is_an_argument() -> None:
    """Whole tags of a parameter inside a value belong to the value."""
    inner = 'see <parameter name="path">x</parameter> there'
    text = WRITTEN["minimax_m2"].replace(PATH, inner)
    assert heard(text).arguments == [{"path": inner, "lines": 3}]


def test_a_value_whose_end_is_missing_ends_where_the_next_begins() -> None:
    """Nothing of the next one gets into it."""
    text = WRITTEN["minimax_m2"].replace("notes.txt</parameter>", "notes.txt")
    found = heard(text)
    assert found.arguments == [ARGUMENTS]
    assert Kind.UNCLOSED in found.kinds


def test_a_value_never_swallows_the_call_behind_it() -> None:
    """Where the end of the first is missing, neither runs: nobody knows what the first was."""
    first = '<invoke name="read_file"><parameter name="path">a'
    text = f"<minimax:tool_call>{first}{INVOKE}</minimax:tool_call>"
    assert heard(text).calls == ()


def test_parallel_calls_all_count() -> None:
    """In one wrapper, in one each, and without."""
    one = WRITTEN["hermes"]
    assert len(heard(f"{one}\n{one}{one}").calls) == 3
    assert len(heard(f"<minimax:tool_call>{INVOKE}\n{INVOKE}</minimax:tool_call>").calls) == 2
    assert len(heard(f"{INVOKE}{INVOKE}").calls) == 2
    assert len(heard(f"<|python_tag|>{NAMED}; {NAMED}").calls) == 2
    assert len(heard("[TOOL_CALLS]now[ARGS]{}[TOOL_CALLS]now{}").calls) == 2


def test_a_model_in_a_loop_calls_nothing() -> None:
    """Hundreds of calls in one message are none that somebody meant."""
    for count, called in ((CALLS_MAX, CALLS_MAX), (CALLS_MAX + 1, 0)):
        assert len(heard(INVOKE * count).calls) == called


def test_one_that_does_not_fit_stops_all_of_them() -> None:
    """Half of what was meant is something else."""
    misfit = WRITTEN["hermes"].replace("path", "file")
    for text in (WRITTEN["hermes"] + misfit, misfit + WRITTEN["hermes"]):
        found = heard(text)
        assert (found.text, found.kinds) == (text, (Kind.MISFIT,))


def test_a_second_call_of_an_unknown_tool_stops_the_first() -> None:
    """The same."""
    text = WRITTEN["hermes"] + WRITTEN["hermes"].replace("read_file", "delete_file")
    assert heard(text).text == text


@pytest.mark.parametrize("family", ["hermes", "llama3_json", "mistral"])
@pytest.mark.parametrize(
    "text", [NAMED, f"  {NAMED}</tool_call>", f"[{NAMED}]", f"{NAMED}\n", f"{NAMED};{NAMED}"]
)
def test_bare_json_is_a_call_of_a_model_that_writes_so(family: str, text: str) -> None:
    """Its server may have left out the tag, which is a control token."""
    assert heard(text, family=family).arguments[0] == ARGUMENTS
    assert heard(text).text == text
    assert heard(text, family="glm").text == text


@pytest.mark.parametrize(
    "text",
    [
        "  so ",
        '{"path": "notes.txt"}',
        '[{"a": 1}]',
        '{"name": "delete_file", "arguments": {}}',
        f"{NAMED} is how",
        f"So: {NAMED}",
        "   ",
        '{"name"',
    ],
)
def test_other_json_stays_an_answer(text: str) -> None:
    """What was asked for as JSON is not called."""
    assert heard(text, family="llama3_json").text == text


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ({"name": "read_file", "parameters": ARGUMENTS}, ARGUMENTS),
        ({"name": "read_file", "arguments": JSON}, ARGUMENTS),
        ({"type": "function", "function": {"name": "read_file", "arguments": JSON}}, ARGUMENTS),
        ({"function": "read_file", "arguments": ARGUMENTS}, ARGUMENTS),
        ({"name": "functions.read_file", "arguments": ARGUMENTS}, ARGUMENTS),
        ({"name": "now"}, {}),
        ({"name": "now", "arguments": None}, {}),
        ({"name": "now", "arguments": ""}, {}),
        ({"arguments": ARGUMENTS, "name": "read_file", "id": "x"}, ARGUMENTS),
    ],
)
def test_the_ways_to_say_a_call_in_json(value: Any, arguments: Any) -> None:
    """Names of fields vary, arguments come as text, and order means nothing."""
    assert heard(f"<tool_call>{json.dumps(value)}</tool_call>").arguments == [arguments]


def test_two_bars_are_one() -> None:
    """Both were seen in the field."""
    text = WRITTEN["deepseek_dsml"].replace(D, f"{BAR}{D}{BAR}")
    assert heard(text).arguments == [ARGUMENTS]


def test_gemma_says_lists_objects_and_bare_words() -> None:
    """All that JSON has, without its quotes."""
    schema = {"properties": {"a": {"type": "array"}, "b": {"type": "object"}, "c": {}, "d": {}}}
    text = (
        '<|tool_call>call:f{a:[1,<|"|>x, y<|"|>,true],b:{k:<|"|>}<|"|>,n:null},'
        'c:two words,d:"e,f"}<tool_call|>'
    )
    found = heard(text, tools={"f": schema})
    assert found.arguments == [
        {"a": [1, "x, y", True], "b": {"k": "}", "n": None}, "c": "two words", "d": "e,f"}
    ]


def test_no_opener_is_the_beginning_of_another() -> None:
    """Or the shorter one would hide the longer one while it still comes."""
    assert not [(a, b) for a in OPENERS for b in OPENERS if a != b and b.startswith(a)]
