"""The head of a Messages request, and its body for a relay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.pdfs import pdf
from twotier.domain.message import Passed
from twotier.errors import RequestError, ThreadError
from twotier.protocols.anthropic_messages import (
    read_count,
    read_request,
    rewrite,
    rewrite_count,
    write_error,
)
from twotier.protocols.wire import HEAD_TEXT_CHARS_MAX, PAGES_MAX

PNG = "A" * 1000
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def body(**fields: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "hi"}], **fields}).encode()


def shown(*blocks: Any) -> bytes:
    return body(messages=[{"role": "user", "content": list(blocks)}])


def document(**source: Any) -> dict[str, Any]:
    return {"type": "document", "source": source}


def result(*blocks: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(blocks)}


def test_the_head_says_what_routing_needs() -> None:
    data = body(model="auto", stream=True, max_tokens=9, tools=[TOOL, TOOL], system="s", more=1)
    passed = Passed("beta=true", {"anthropic-beta": "x"})
    request = read_request(data, passed)
    assert request.dialect == "anthropic_messages"
    assert request.body is data
    assert (request.model, request.stream, request.max_output_tokens) == ("auto", True, 9)
    assert (request.tools, request.images, request.document_pages) == (2, 0, 0)
    assert (request.text_bytes, request.head_text) == (len(data), "hi")
    assert request.passed is passed
    assert not request.exacting


def test_what_the_client_did_not_say_has_plain_defaults() -> None:
    request = read_request(body(stream=None, tools=None))
    assert (request.model, request.stream, request.max_output_tokens) == ("", False, None)
    assert request.tools == 0


def test_images_are_counted_and_the_inline_ones_are_no_text() -> None:
    """In a turn and inside a tool's result."""
    plain = {"type": "tool_result", "tool_use_id": "u", "content": "words"}
    data = shown(IMAGE, LINKED, {"type": "image", "source": "?"}, result(IMAGE), plain)
    request = read_request(data)
    assert (request.images, request.text_bytes) == (4, len(data) - 2 * len(PNG))


@pytest.mark.parametrize(
    ("block", "pages", "images"),
    [
        (document(type="base64", media_type="application/pdf", data=pdf(3)), 3, 0),
        (document(type="url", url="https://e.com/a.pdf"), PAGES_MAX, 0),
        (document(type="file", file_id="file_1"), PAGES_MAX, 0),
        (document(type="text", media_type="text/plain", data="words"), 0, 0),
        (document(type="content", content="words"), 0, 0),
        (document(type="content", content=[IMAGE, {"type": "text", "text": "a"}]), 0, 1),
        (result(document(type="url", url="https://e.com/a.pdf")), PAGES_MAX, 0),
        ({"type": "search_result", "source": "https://e.com", "title": "t", "content": []}, 0, 0),
    ],
)
def test_pages_of_documents_are_bounded_and_imitations_are_not_trusted_with_them(
    block: Any, pages: int, images: int
) -> None:
    """llama.cpp's Messages drops documents and search results in silence."""
    request = read_request(shown(block))
    assert (request.document_pages, request.images) == (pages, images)
    assert request.exacting


def test_the_pages_of_many_documents_have_one_bound() -> None:
    data = shown(*[document(type="url", url="https://e.com/a.pdf")] * 3)
    assert read_request(data).document_pages == PAGES_MAX


def test_the_bytes_of_a_pdf_are_no_text() -> None:
    file = pdf(2)
    data = shown(document(type="base64", media_type="application/pdf", data=file))
    assert read_request(data).text_bytes == len(data) - len(file)


@pytest.mark.parametrize(
    ("fields", "exacting"),
    [
        ({"tools": [TOOL], "tool_choice": {"type": "auto"}}, False),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, False),
        ({"tools": [TOOL], "tool_choice": {"type": "none"}}, True),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f"}}, True),
        ({"tools": [{**TOOL, "type": "custom"}]}, False),
        ({"tools": [TOOL, {"type": "bash_20250124", "name": "bash"}]}, True),
        ({"output_config": {"effort": "low"}}, False),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, True),
        ({"output_format": {"type": "json_schema", "schema": {}}}, True),
        ({"mcp_servers": []}, False),
        ({"mcp_servers": [{}]}, True),
    ],
)
def test_settings_that_imitations_drop_are_noticed(fields: Any, exacting: bool) -> None:
    assert read_request(body(**fields)).exacting is exacting


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "a"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": [result()]}], "a"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}], "a"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": ""}], "a"),
        ([{"role": "assistant", "content": "a"}], ""),
        ([{"role": "user", "content": "x" * 9000}], "x" * HEAD_TEXT_CHARS_MAX),
    ],
)
def test_the_last_user_text_is_shown_to_the_router(messages: Any, text: str) -> None:
    assert read_request(body(messages=messages)).head_text == text


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"hello", "not JSON"),
        (b"null", "must be one JSON object"),
        (b"{}", "messages"),
        (body(messages=[]), "messages: is empty"),
        (body(messages=[{"role": "user"}]), "messages[0]"),
        (body(messages=[{"role": "user", "content": 5}]), "messages[0].content"),
        (body(messages=[{"role": "user", "content": [{"text": 5}]}]), "content[0].text"),
        (body(model=5), "model: expected str"),
        (body(max_tokens="5"), "max_tokens: expected int"),
        (body(max_tokens=0), "max_tokens: must be 1 or more"),
        (b'{"messages": [], "x": ' + b"[" * 100_000, "too deep"),
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(data: bytes, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(data)
    assert sentence in caught.value.message


@pytest.mark.parametrize("kind", ["create", "continue"])
def test_a_thread_is_refused_in_words_that_its_client_knows(kind: str) -> None:
    """Anthropic's SDK threads its tool runner by itself; on this code it sends the whole again."""
    with pytest.raises(ThreadError) as caught:
        read_request(body(thread={"type": kind}))
    details = json.loads(write_error(caught.value))["error"]["details"]
    assert details == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


def relayed(data: bytes, *, keep: frozenset[str] | None = None) -> tuple[Any, tuple[str, ...]]:
    out = rewrite(read_request(data), model="m", max_output_tokens=7, stream=True, keep=keep)
    return json.loads(out.body), out.unsaid


@pytest.mark.parametrize(
    ("tool", "refused"),
    [
        ({"type": "web_search_20250305", "name": "web_search"}, True),
        ({"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": None}, True),
        ({"type": "web_search_20250305", "name": "web_search", "max_uses": 8}, False),
        ({"type": "bash_20250124", "name": "bash"}, False),
        ({"name": "mine", "input_schema": {"type": "object"}}, False),
    ],
)
def test_tools_that_cost_for_each_use_need_a_limit(tool: Any, refused: bool) -> None:
    """Nobody could say what such a request costs at most. Counting it costs nothing."""
    data = json.dumps({"messages": [{"role": "user", "content": "hi"}], "tools": [tool]}).encode()
    assert read_count(data).tools == 1
    if refused:
        with pytest.raises(RequestError, match=r"tools\[0\]\.max_uses"):
            read_request(data)
    else:
        assert read_request(data).tools == 1


def test_a_relay_sets_model_limit_and_stream() -> None:
    sent, unsaid = relayed(body(model="auto", max_tokens=9, stream=False, thinking={"a": 1}))
    assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("m", 7, True)
    assert (sent["thinking"], unsaid) == ({"a": 1}, ())
    quiet = rewrite(read_request(body()), model="m", max_output_tokens=7, stream=False)
    assert json.loads(quiet.body)["stream"] is False


def test_fields_that_a_server_may_not_see_are_named() -> None:
    data = body(system="s", metadata={}, context_management={}, top_k=1)
    sent, unsaid = relayed(data, keep=frozenset({"top_k"}))
    assert unsaid == ("context_management", "metadata")
    assert set(sent) == {"messages", "model", "max_tokens", "stream", "system", "top_k"}


def thought(signature: str | None) -> dict[str, Any]:
    block = {"type": "thinking", "thinking": "hm"}
    return block if signature is None else {**block, "signature": signature}


CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
ANSWERED = {"role": "user", "content": [result()]}
BUDGET = {"type": "enabled", "budget_tokens": 2000}
GONE = "messages[].content[].thinking"


def history(*assistant: Any, **fields: Any) -> bytes:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": list(assistant)}]
    return body(messages=[*turns, ANSWERED], **fields)


def test_thinking_without_a_signature_never_reaches_the_api() -> None:
    """A client that was answered by a local model before holds such thinking."""
    sent, unsaid = relayed(history(thought(None), thought(""), thought("sig"), CALL))
    assert sent["messages"][1]["content"] == [thought("sig"), CALL]
    assert unsaid == (GONE,)


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\t\r"])
def test_texts_of_blanks_never_reach_the_api(blank: str) -> None:
    """Small models write some between their thinking and a call; nothing is lost with them."""
    text = {"type": "text", "text": blank}
    sent, unsaid = relayed(history(text, {"type": "text", "text": " a"}, CALL))
    assert sent["messages"][1]["content"] == [{"type": "text", "text": " a"}, CALL]
    assert unsaid == ()
    said = body(messages=[{"role": "user", "content": [text]}])
    assert relayed(said)[0]["messages"] == json.loads(said)["messages"]  # the client's own affair


def test_a_turn_of_nothing_but_unsigned_thinking_vanishes() -> None:
    sent, unsaid = relayed(history(thought("")))
    assert [turn["role"] for turn in sent["messages"]] == ["user", "user"]
    assert unsaid == (GONE,)


def test_a_body_that_begins_with_the_assistant_is_looked_through_to_its_beginning() -> None:
    turns = [{"role": "assistant", "content": [thought(""), CALL]}, ANSWERED]
    sent, unsaid = relayed(body(messages=turns, thinking=BUDGET))
    assert sent["thinking"] == {"type": "disabled"}
    assert unsaid == (GONE, "thinking")


def test_a_local_server_may_read_its_own_thinking_again() -> None:
    data = history(thought(""), CALL)
    sent, unsaid = relayed(data, keep=frozenset())
    assert (sent["messages"], unsaid) == (json.loads(data)["messages"], ())


@pytest.mark.parametrize(
    "data",
    [
        history(thought("sig"), CALL),
        history({"type": "text", "text": '"type": "thinking"'}),
        body(messages=[{"role": "user", "content": '{"type": "thinking"}'}]),
        history({"type": "tool_use", "id": "t", "name": "f", "input": {"type": "thinking"}}),
    ],
)
def test_whatever_else_speaks_of_thinking_stays_byte_for_byte(data: bytes) -> None:
    out = rewrite(read_request(data), model="m", max_output_tokens=7, stream=True)
    assert out.unsaid == ()
    assert json.dumps(json.loads(data)["messages"]).encode() in out.body


@pytest.mark.parametrize(
    ("blocks", "thinking", "left"),
    [
        ((thought(""), CALL), BUDGET, {"type": "disabled"}),
        ((thought(""), CALL), {"type": "adaptive"}, {"type": "adaptive"}),
        ((thought(""), thought("sig"), CALL), BUDGET, BUDGET),
        ((thought(""), CALL), None, None),
    ],
)
def test_a_budget_of_thinking_goes_where_the_api_would_miss_its_beginning(
    blocks: Any, thinking: Any, left: Any
) -> None:
    """In the middle of tool calls it wants the thinking they began with."""
    sent, unsaid = relayed(history(*blocks, thinking=thinking))
    assert sent["thinking"] == left
    assert unsaid == ((GONE, "thinking") if left == {"type": "disabled"} else (GONE,))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
READ = {"messages", "model", "max_tokens", "stream", "tools", "tool_choice", "output_config"}
READ |= {"output_format", "mcp_servers", "thread"}


@given(st.dictionaries(st.text(min_size=1), JSON, max_size=5))
def test_every_other_field_goes_through_byte_for_byte(extra: dict[str, Any]) -> None:
    fields = {name: value for name, value in extra.items() if name not in READ}
    data = json.dumps(
        {"messages": [{"role": "user", "content": " spaced \\u00e9"}], **fields}, indent=1
    ).encode()
    out = rewrite(read_request(data), model="m", max_output_tokens=1, stream=False).body
    for value in [*fields.values(), json.loads(data)["messages"]]:
        assert json.dumps(value, indent=1).replace("\n", "\n ").encode() in out


def test_a_count_is_the_same_request_without_limit_and_stream() -> None:
    data = shown(IMAGE, document(type="url", url="https://e.com/a.pdf"))
    request = read_count(json.dumps({**json.loads(data), "max_tokens": 0, "stream": True}).encode())
    assert request.dialect == "anthropic_count"
    assert (request.stream, request.max_output_tokens, request.images) == (False, None, 1)
    assert not request.exacting
    data = body(model="auto", system="s", metadata={})
    out = rewrite_count(read_count(data), model="m", max_output_tokens=7, stream=False)
    assert json.loads(out.body) == {**json.loads(data), "model": "m"}
    kept = rewrite_count(
        read_count(data), model="m", max_output_tokens=7, stream=False, keep=frozenset()
    )
    assert json.loads(kept.body).keys() == {"messages", "model", "system"}
    assert kept.unsaid == ("metadata",)
