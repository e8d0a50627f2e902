"""What a local tier says to a client is looked at before it goes out: real ledger, scripted
upstreams.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.test_tries import World, play
from twotier import errors
from twotier.domain.message import Dialect, Text, ToolCall, Usage, Whole
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.protocols import INBOUND
from twotier.providers.scripted import Answer, Line
from twotier.proving import FOUND, HEADER, Habits, Judged, Proving
from twotier.router.own import Own
from twotier.router.rows import rules_of

BOTH = TierPolicy.LOCAL_THEN_FRONTIER
LOOP = "and again " * 60
FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "schema": {
            "type": "object",
            "properties": {"total": {"type": "integer"}},
            "required": ["total"],
        },
    },
}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


def says(text: str, *, finish: Any = "stop") -> Whole:
    """An answer of these words."""
    return Whole("i", "m", (Text(text),), finish, Usage(3, 4))


def ask_of(
    folder: Path,
    local: Sequence[Line],
    *,
    frontier: Sequence[Line] = (),
    habits: Habits | None = None,
    policy: TierPolicy = BOTH,
    verify: str = "",
    stream: bool = False,
    headers: Mapping[str, str] | None = None,
    own: Sequence[Own] = (),
    **fields: Any,
) -> dict[str, Any]:
    """One request: its headers and text, the rows of the ledger, what was told and asked."""
    seen: dict[str, Any] = {"told": []}
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": fields.pop("prompt", "How many are there?")},
    ]
    fields = {"model": "auto", "stream": stream, "messages": talk} | fields

    async def story(world: World) -> None:
        proving = Proving(
            world.dispatch,
            habits or Habits(),
            local=frozenset({"local"}),
            told=seen["told"].append,
        )
        request = INBOUND["openai_chat"].read_request(json.dumps(fields).encode())
        sent = {HEADER: verify} if verify else {}
        caller = Caller(policy=policy, headers={**sent, **(headers or {})})
        deciding = world.dispatch.deciding
        deciding.router = replace(deciding.router, rules=rules_of(own=own))
        answer = await proving.answer(request, caller)
        pieces = []
        try:
            while piece := await answer.read():
                pieces.append(piece)
        finally:
            await answer.close()
        body = b"".join(pieces)
        seen["text"] = body.decode()
        seen["headers"] = dict(answer.headers)
        seen["found"] = answer.headers.get(FOUND, "")
        seen["tier"] = answer.headers["x-twotier-tier"]
        seen["asks"] = [json.loads(one.body) for one in world.local.asks]
        seen["rows"] = [(tier, settled) for _, tier, settled in await world.rows()]

    play(folder, story, local=local, frontier=frontier)
    return seen


def test_a_good_answer_goes_out_as_it_is(tmp_path: Path) -> None:
    seen = ask_of(tmp_path, [says("There are 12.")])
    assert (seen["tier"], "There are 12." in seen["text"]) == ("local", True)
    assert seen["found"] == "keep: checks: free looks at the answer itself"
    (told,) = seen["told"]
    assert isinstance(told, Judged)
    assert (told.tier, told.good, told.by, told.redone) == ("local", True, "checks", True)


@pytest.mark.parametrize("verify", ["", "checks"])
def test_what_a_rule_holds_here_is_asked_of_nobody_else(tmp_path: Path, verify: str) -> None:
    """Asked again without the header that the rule looks at, it would have gone to the frontier."""
    own = [Own("held", local_only=True, headers={"x-private": "*"})]
    headers = {"x-private": "1"}
    frontier = [says("12")]
    seen = ask_of(
        tmp_path, [says(LOOP)], frontier=frontier, own=own, headers=headers, verify=verify
    )
    assert (seen["tier"], seen["found"]) == ("local", "")
    assert [tier for tier, _ in seen["rows"]] == ["local"]
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as file:
        ((rule, task),) = file.execute("SELECT rule, task FROM decisions").fetchall()
    assert (rule, json.loads(task)["policy"]) == ("held", BOTH.value)  # for a replay
    seen = ask_of(tmp_path / "other", [says(LOOP)], frontier=frontier, own=own, verify=verify)
    assert seen["tier"] == "frontier"


@pytest.mark.parametrize(
    ("said", "fields", "found"),
    [
        (says(LOOP), {}, "checks fails: it ends in the same 10 characters again and again"),
        (says("none"), {"response_format": FORM}, "checks fails: it is not JSON, as was asked for"),
        (says("a\nb"), {"prompt": "Say it in three lines."}, "it has 2 lines, 3 were asked for"),
        (
            Whole("i", "m", (ToolCall("c", "fly", "{}"),), "tool_calls", Usage(3, 4)),
            {"tools": TOOLS},
            "it calls fly, which is no tool here",
        ),
        (says("There are", finish="length"), {}, "it reached the output limit"),
    ],
)
def test_what_is_of_no_use_is_asked_of_the_frontier(
    tmp_path: Path, said: Whole, fields: dict[str, Any], found: str
) -> None:
    seen = ask_of(tmp_path, [said], frontier=[says("12")], **fields)
    assert (seen["tier"], '"12"' in seen["text"]) == ("frontier", True)
    assert seen["found"].startswith("escalated: ")
    assert found in seen["found"]
    assert seen["rows"] == [("local", "settled"), ("frontier", "settled")]


@pytest.mark.parametrize("said", ["There are", ""])
def test_a_limit_of_the_clients_own_is_no_fault(tmp_path: Path, said: str) -> None:
    """Nothing was said yet where it was spent on thoughts."""
    cut = says(said, finish="length")
    seen = ask_of(tmp_path, [cut], max_tokens=2, response_format=FORM)
    assert seen["tier"] == "local"


def test_where_the_frontier_does_not_answer_the_answer_stays(tmp_path: Path) -> None:
    down = errors.TierUnavailableError("nobody listens", unreachable=True)
    seen = ask_of(tmp_path, [says(LOOP)], frontier=[down, down, down])
    assert (seen["tier"], "and again" in seen["text"]) == ("local", True)
    assert seen["found"].startswith("kept, though not good enough (checks fails: ")
    assert "nobody listens" in seen["found"]


def test_a_second_answer_is_taken_with_some_chance(tmp_path: Path) -> None:
    local = [says("There are 12 of them, I am sure."), says("12")]
    seen = ask_of(tmp_path, local, verify="yes", temperature=0)
    assert seen["found"].endswith("a second answer says the same (number)")
    assert [ask["temperature"] for ask in seen["asks"]] == [0, 0.7]
    assert len(seen["rows"]) == 2


def test_two_that_differ_go_up(tmp_path: Path) -> None:
    local = [says("12"), says("13")]
    seen = ask_of(tmp_path, local, frontier=[says("14")], verify="second")
    (told,) = seen["told"]
    assert (seen["tier"], told.by, told.redone) == ("frontier", "second", True)
    seen = ask_of(tmp_path / "alone", local, verify="second")
    assert (seen["tier"], seen["told"][0].redone) == ("local", False)  # the frontier has none


@pytest.mark.parametrize(
    ("local", "why"),
    [
        (["It is hard to say, as nobody has ever counted them."], "cannot be compared"),
        (["12", "It is hard to say, as nobody has ever counted them."], "the second answer cannot"),
        (["12"], "second cannot tell: "),  # nobody says it once more
    ],
)
def test_what_a_second_answer_cannot_tell_fails_nothing(
    tmp_path: Path, local: list[str], why: str
) -> None:
    seen = ask_of(tmp_path, [says(one) for one in local], verify="second")
    assert (seen["tier"], local[0] in seen["text"]) == ("local", True)
    assert seen["found"].startswith("undecided: ")
    assert why in seen["found"]
    assert seen["told"][0].good is None


@pytest.mark.parametrize(
    ("word", "tier"), [("yes", "local"), ("no", "frontier"), ("unsure", "local")]
)
def test_a_judge_sees_the_talk_and_says_a_word(tmp_path: Path, word: str, tier: str) -> None:
    prose = "It is hard to say, as nobody has ever counted them."
    judge = says(json.dumps({"because": "it dodges", "good": word}))
    seen = ask_of(tmp_path, [says(prose), judge], frontier=[says("12")], verify="rubric")
    assert seen["tier"] == tier
    assert "Be brief." in seen["asks"][1]["messages"][1]["content"]
    assert prose in seen["asks"][1]["messages"][1]["content"]


def test_calls_of_tools_are_neither_compared_nor_judged(tmp_path: Path) -> None:
    call = Whole("i", "m", (ToolCall("c", "look", "{}"),), "tool_calls", Usage(3, 4))
    seen = ask_of(tmp_path, [call], verify="rubric", tools=TOOLS)
    assert "calls of tools are not judged" in seen["found"]
    assert len(seen["asks"]) == 1


@pytest.mark.parametrize("local", ["fine", LOOP])
def test_a_stream_is_held_where_its_client_says_so(tmp_path: Path, local: str) -> None:
    seen = ask_of(tmp_path, [says(local)], frontier=[says("12")], verify="checks", stream=True)
    assert seen["tier"] == ("local" if local == "fine" else "frontier")
    assert seen["text"].endswith("data: [DONE]\n\n")
    assert seen["headers"][FOUND]


@pytest.mark.parametrize("there", [True, False])
def test_a_held_stream_that_breaks_off_goes_up(tmp_path: Path, there: bool) -> None:
    """Nobody has seen anything of it; where the frontier tier has none either, its end is told."""
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"There"}}]}\n\n'
    broken = Answer((chunk,), breaks=errors.StreamBrokenError("it went away"))
    frontier = [says("12")] if there else []
    seen = ask_of(tmp_path, [broken], frontier=frontier, verify="checks", stream=True)
    assert seen["tier"] == ("frontier" if there else "local")
    assert ("it went away" in seen["text"]) is not there
    assert "checks fails: it broke off" in seen["found"]


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": True},
        {"model": "local"},
        {"model": "local", "verify": "yes"},
        {"policy": TierPolicy.LOCAL_ONLY},
        {"policy": TierPolicy.LOCAL_ONLY, "verify": "yes"},
        {"verify": "no"},
        {"habits": Habits("no")},
    ],
)
def test_nobody_looks_where_that_is_not_wanted_or_could_change_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    seen = ask_of(tmp_path, [says(LOOP)], **changes)
    assert (seen["tier"], seen["found"], seen["told"]) == ("local", "", [])


def test_an_answer_of_the_frontier_is_not_looked_at(tmp_path: Path) -> None:
    down = errors.TierUnavailableError("nobody listens", unreachable=True)
    seen = ask_of(tmp_path, [down], frontier=[says(LOOP)])
    assert (seen["tier"], seen["found"]) == ("frontier", "")


def test_a_word_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.RequestError, match="must be one of no, checks, yes, second, rubric"):
        ask_of(tmp_path, [says("12")], verify="always")


BODIES: dict[Dialect, dict[str, Any]] = {
    "anthropic_messages": {
        "model": "auto",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "How many?"}],
    },
    "openai_responses": {"model": "auto", "input": "How many?"},
}


@pytest.mark.parametrize("dialect", BODIES)
@pytest.mark.parametrize("stream", [False, True])
def test_in_the_other_dialects_too(tmp_path: Path, dialect: Dialect, stream: bool) -> None:
    """What is held is read in the client's own dialect."""
    found = []

    async def story(world: World) -> None:
        proving = Proving(world.dispatch, Habits(), local=frozenset({"local"}))
        raw = json.dumps(BODIES[dialect] | {"stream": stream}).encode()
        request = INBOUND[dialect].read_request(raw)
        caller = Caller(policy=BOTH, headers={HEADER: "checks"})
        answer = await proving.answer(request, caller)
        while await answer.read():
            pass
        await answer.close()
        found.append((answer.headers["x-twotier-tier"], answer.headers[FOUND][:9]))

    play(tmp_path, story, local=[says(LOOP)], frontier=[says("12")])
    assert found == [("frontier", "escalated")]
