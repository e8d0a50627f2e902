"""Each row passes what is right and says in a fixed phrase what is not."""

from __future__ import annotations

import json

import pytest

from tests.matrix.answers import heard
from twotier.domain.message import Reasoning, Text
from twotier.matrix.heard import LEAKED, TALKED, Heard
from twotier.matrix.rows import FILES, Row, rows
from twotier.matrix.tools import TOOLS, system_prompt

ROWS = {row.name: row for row in rows(200_000)}
CALL = ("read_file", {"path": "notes.txt"})
OTHER = ("read_file", {"path": "todo.md"})
LINE = "<b>a</parameter>b</b>"
FAILED = Heard(error="stream_broken")
XML = '<minimax:tool_call><invoke name="read_file">'
OF_ONE_CALL = [
    (heard(CALL), ""),
    (heard(("read_file", {"path": "./notes.txt"})), ""),
    (heard(text="I will read it."), TALKED),
    (heard(text=XML), LEAKED),
    (Heard([Reasoning(XML), Text("")], "stop"), LEAKED),
    (heard(CALL, OTHER), "2 calls instead of 1"),
    (heard(("read", {"path": "notes.txt"})), "called a tool that does not exist"),
    (heard(("read_file", '{"path": "notes')), "its arguments are not JSON"),
    (heard(("read_file", {"file": "notes.txt"})), "its arguments do not fit the schema"),
    (heard(OTHER), "called another tool, or with other values"),
    (FAILED, "no answer: stream_broken"),
]


@pytest.mark.parametrize("name", ["single", "agent", "broken"])
@pytest.mark.parametrize(("answer", "why"), OF_ONE_CALL)
def test_a_call_is_the_right_tool_with_the_right_values_and_nothing_left_as_text(
    name: str, answer: Heard, why: str
) -> None:
    assert ROWS[name].judge(answer, 0) == why


@pytest.mark.parametrize(
    ("name", "answer", "why"),
    [
        ("parallel", heard(OTHER, CALL), ""),
        ("parallel", heard(CALL), "1 calls instead of 2"),
        ("parallel", heard(CALL, CALL), "called another tool, or with other values"),
        ("thinking", heard(("read_file", {"path": "shopping.txt"})), ""),
        ("thinking", heard(CALL), "called another tool, or with other values"),
        ("cut", heard(("write_file", '{"path": "n'), finish="length"), ""),
        ("cut", FAILED, ""),
        ("cut", heard(text="I cannot."), ""),
        ("cut", heard(("write_file", '{"path": "n')), "a call that was cut off looks whole"),
        ("cut", heard(text=XML), LEAKED),
        ("markup", heard(("write_file", {"path": "notes.txt", "content": LINE})), ""),
        (
            "markup",
            heard(("write_file", {"path": "notes.txt", "content": "<b>a"})),
            "called another tool, or with other values",
        ),
        ("json", heard(text=json.dumps({"buyer": "Tom", "euros": 17})), ""),
        ("json", heard(text='Sure! {"buyer": "Tom"}'), "its answer is not JSON"),
        ("json", heard(text='{"buyer": "Tom"}'), "its JSON does not fit the schema"),
        (
            "json",
            heard(text='{"buyer": "Tom", "euros": 18}'),
            "its JSON holds another figure",
        ),
        ("json", FAILED, "no answer: stream_broken"),
        ("stop", heard(text="one two three notes "), ""),
        ("stop", heard(text="one two three notes five"), "the stop sequence is in its answer"),
        ("stop", heard(text="one", finish="length"), "went on talking"),
        ("stop", FAILED, "no answer: stream_broken"),
    ],
)
def test_the_other_rows(name: str, answer: Heard, why: str) -> None:
    """Parallel, thinking, cut, markup, JSON, stop."""
    assert ROWS[name].judge(answer, 0) == why


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_repetitions_ask_for_different_things(row: Row) -> None:
    """Passing twice is not saying the same thing twice; every body is what a client may send."""
    bodies = [json.dumps(row.body(number)) for number in range(len(FILES))]
    assert len(set(bodies)) == len(FILES)
    assert all(json.loads(body)["messages"] for body in bodies)


def test_an_agents_request_has_fifteen_tools_and_a_long_page_that_fits_the_window() -> None:
    """About half of a small window, two thousand tokens of a large one."""
    body = ROWS["agent"].body(0)
    assert len(body["tools"]) == len({tool["function"]["name"] for tool in TOOLS}) == 15
    assert len(json.dumps(body)) > 7_000
    small = {row.name: row for row in rows(2_048)}["agent"].body(0)
    assert len(json.dumps(small)) // 4 < 1_400
    assert len(system_prompt(10**6)) < 12_000
