"""Marks for the API's cache: where they are set, and that nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.anthropic_bill import Cache as Cached
from tests.fakes.anthropic_bill import Row
from twotier.domain.message import Cache, Caching
from twotier.protocols.anthropic_messages.caching import BYTES_MIN, marked

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
LONG = "rule " * BYTES_MIN
HI = {"role": "user", "content": "hi"}
TALK = [HI, {"role": "assistant", "content": "yes?"}, {"role": "user", "content": "go on"}]
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def after(prefix: Cache = "5m", history: Cache = "5m", **fields: Any) -> dict[str, Any]:
    """The body that goes out for such fields."""
    body = json.dumps({"messages": [HI], **fields}).encode()
    out: dict[str, Any] = json.loads(marked(body, Caching(prefix, history)))
    return out


def unchanged(**fields: Any) -> bool:
    body = json.dumps({"messages": [HI], **fields}).encode()
    return marked(body, Caching("1h", "5m")) is body


def test_a_question_of_one_turn_keeps_what_it_begins_with() -> None:
    body = after("1h", system=LONG)
    assert body["system"] == [{"type": "text", "text": LONG, "cache_control": HOUR}]
    assert body["messages"] == [HI]


def test_the_mark_is_behind_the_last_of_the_system_texts_and_the_tools_are_under_it() -> None:
    blocks = [{"type": "text", "text": LONG}, {"type": "text", "text": "and so on"}]
    body = after(system=blocks, tools=[TOOL])
    assert body["system"] == [blocks[0], {**blocks[1], "cache_control": MARK}]
    assert body["tools"] == [TOOL]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "hi", "cache_control": MARK}]


@pytest.mark.parametrize("system", [{}, {"system": ""}, {"system": []}])
def test_tools_alone_are_a_prefix_up_to_the_last_that_is_shown(system: dict[str, Any]) -> None:
    tools = [TOOL, {**TOOL, "name": "g", "description": LONG}]
    body = after(history="", tools=tools, **system)
    assert body["tools"] == [TOOL, {**tools[1], "cache_control": MARK}]
    searched = {**TOOL, "name": "h", "defer_loading": True}
    body = after(history="", tools=[*tools, searched], **system)
    assert body["tools"] == [TOOL, {**tools[1], "cache_control": MARK}, searched]


def test_a_system_text_of_blanks_alone_is_no_prefix() -> None:
    assert unchanged(system=[{"type": "text", "text": " " * BYTES_MIN}])


def test_only_tools_that_are_searched_for_are_no_prefix() -> None:
    tools = [{**TOOL, "description": LONG, "defer_loading": True}]
    assert after(history="", tools=tools)["tools"] == tools


def test_a_talk_is_kept_up_to_its_last_word() -> None:
    body = after(messages=[{**HI, "content": LONG}, *TALK[1:]])
    assert body["messages"][:2] == [{**HI, "content": LONG}, TALK[1]]
    last = {"type": "text", "text": "go on", "cache_control": MARK}
    assert body["messages"][2] == {"role": "user", "content": [last]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": LONG}
    body = after(messages=[*TALK[:2], {"role": "user", "content": [result]}])
    assert body["messages"][2]["content"] == [{**result, "cache_control": MARK}]
    body = after(history="", messages=[{**HI, "content": LONG}, *TALK[1:]])
    assert body["messages"][2] == TALK[2]


def test_what_cannot_be_marked_is_left() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    lasts: list[Any] = [[], [thought], [{"type": "text", "text": " "}], "", [{}]]
    for last in lasts:
        assert unchanged(messages=[*TALK, {"role": "assistant", "content": last}], stop=LONG)


def test_short_or_marked_by_the_client_it_stays_as_it_is() -> None:
    assert unchanged(messages=TALK)
    assert unchanged(messages=[{**HI, "content": LONG}])
    own = {"type": "text", "text": "mine", "cache_control": MARK}
    assert unchanged(system=LONG, messages=[*TALK, {"role": "user", "content": [own]}])


def test_a_text_that_speaks_of_marks_is_no_mark() -> None:
    said = json.dumps({"cache_control": MARK}) + LONG
    assert after(system=said)["system"][0]["cache_control"] == MARK


def test_the_api_finds_each_turn_of_a_talk_in_its_cache() -> None:
    """By the rules of the API's own bill: what was written for one turn is read for the next."""
    cache, read = Cached(1024), []
    for turns in (1, 3, 5):
        talk = [{**HI, "content": LONG}, *[TALK[1], HI] * 2][:turns]
        row = Row("r", "m")
        body = after("1h", system=LONG, messages=talk, tools=[TOOL], model="m")
        cache.read(body, row)
        read.append((row.cache_read_tokens, row.cache_write_1h_tokens, row.cache_write_5m_tokens))
    assert read[0][0] == 0
    assert read[0][1] > 0
    assert [written for _, written, _ in read[1:]] == [0, 0]
    assert read[1][0] == sum(read[0])
    assert read[2][0] == sum(read[1])
