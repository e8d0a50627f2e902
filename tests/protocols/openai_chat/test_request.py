"""The head of a request, and its body for a relay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.pdfs import pdf
from twotier.errors import RequestError
from twotier.protocols.openai_chat import read_request, rewrite
from twotier.protocols.wire import HEAD_TEXT_CHARS_MAX, PAGES_MAX

PNG = "data:image/png;base64," + "A" * 1000


def body(**fields: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "hi"}], **fields}).encode()


def test_the_head_says_what_routing_needs() -> None:
    data = body(
        model="auto",
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=9,
        max_completion_tokens=8,
        tools=[{"type": "function"}, {"type": "function"}],
    )
    request = read_request(data)
    assert request.dialect == "openai_chat"
    assert request.body is data
    assert (request.model, request.stream, request.include_usage) == ("auto", True, True)
    assert (request.max_output_tokens, request.tools, request.images) == (9, 2, 0)
    assert (request.text_bytes, request.head_text) == (len(data), "hi")


def test_what_the_client_did_not_say_has_plain_defaults() -> None:
    request = read_request(body(tools=None, stream=None, max_tokens=None))
    assert (request.model, request.stream, request.include_usage) == ("", False, False)
    assert (request.max_output_tokens, request.tools) == (None, 0)


def test_inline_images_are_counted_and_not_taken_for_text() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    data = body(messages=[{"role": "user", "content": parts}, {"role": "assistant"}])
    request = read_request(data)
    assert (request.images, request.text_bytes) == (2, len(data) - len(PNG))
    assert request.head_text == "look"


def test_files_are_counted_in_pages_and_only_a_pdf_is_no_text() -> None:
    files = ["data:application/pdf;base64," + pdf(4), pdf(1), "aGk="]
    parts = [{"type": "file", "file": {"file_data": data}} for data in files]
    data = body(messages=[{"role": "user", "content": parts}])
    request = read_request(data)
    inline = len(files[0]) + len(files[1])
    assert (request.document_pages, request.text_bytes) == (5, len(data) - inline)
    parts = [{"type": "file", "file": {"file_data": data}} for data in ("https://e.com/a", None)]
    unknown = body(messages=[{"role": "user", "content": parts}])
    assert read_request(unknown).document_pages == PAGES_MAX
    assert read_request(unknown).text_bytes == len(unknown)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "a"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": []}], "a"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": None}], "a"),
        ([{"role": "system", "content": "a"}], ""),
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
        (b"[]", "must be one JSON object"),
        (b"{}", "messages"),
        (body(messages=[]), "messages: is empty"),
        (body(messages={}), "messages: expected array"),
        (body(messages=[{"content": "x"}]), "messages[0]"),
        (body(messages=[{"role": "user", "content": [{"text": 5}]}]), "text: expected str"),
        (body(messages=[{"role": "user", "content": 5}]), "expected str"),
        (body(model=5), "model: expected str"),
        (body(stream="yes"), "stream: expected bool"),
        (body(max_tokens="5"), "max_tokens: expected int"),
        (body(max_tokens=0), "max_tokens: must be 1 or more"),
        (body(n=2), "n: only 1"),
        (b'{"messages": [], "x": ' + b"[" * 100_000, "too deep"),
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(data: bytes, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(data)
    assert sentence in caught.value.message


def relayed(data: bytes, *, stream: bool = False, keep: frozenset[str] | None = None) -> Any:
    out = rewrite(read_request(data), model="m", max_output_tokens=7, stream=stream, keep=keep)
    return json.loads(out.body), out.unsaid


def test_a_relay_sets_model_limit_and_stream() -> None:
    sent, unsaid = relayed(body(model="auto", seed=1), stream=True)
    assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("m", 7, True)
    assert sent["stream_options"] == {"include_usage": True}
    assert (sent["seed"], unsaid) == (1, ())


def test_stream_options_of_the_client_stay_and_go_with_the_stream() -> None:
    options = {"include_usage": False, "include_obfuscation": False}
    data = body(stream=True, stream_options=options)
    assert relayed(data, stream=True)[0]["stream_options"] == {**options, "include_usage": True}
    assert "stream_options" not in relayed(data, stream=False)[0]
    assert relayed(body(stream_options=None), stream=True)[0]["stream_options"]


@pytest.mark.parametrize(
    ("given_fields", "keep", "expected"),
    [
        ({"max_completion_tokens": 9}, None, {"max_completion_tokens": 7}),
        ({"max_completion_tokens": 9}, frozenset({"max_completion_tokens"}), "same"),
        ({"max_completion_tokens": 9}, frozenset({"top_p"}), {"max_tokens": 7}),
        (
            {"max_completion_tokens": 9, "max_tokens": 9},
            None,
            {"max_completion_tokens": 7, "max_tokens": 7},
        ),
        ({}, None, {"max_tokens": 7}),
    ],
)
def test_the_limit_stands_where_the_server_looks_for_it(
    given_fields: Any, keep: frozenset[str] | None, expected: Any
) -> None:
    sent, unsaid = relayed(body(**given_fields), keep=keep)
    found = {name: sent[name] for name in ("max_tokens", "max_completion_tokens") if name in sent}
    assert found == ({"max_completion_tokens": 7} if expected == "same" else expected)
    assert unsaid == ()


def test_fields_that_a_server_may_not_see_are_named() -> None:
    sent, unsaid = relayed(body(seed=1, logit_bias={}, top_p=1), keep=frozenset({"top_p"}))
    assert unsaid == ("logit_bias", "seed")
    assert set(sent) == {"messages", "model", "max_tokens", "stream", "top_p"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), JSON, max_size=5))
def test_every_other_field_goes_through_byte_for_byte(extra: dict[str, Any]) -> None:
    ours = {"messages", "model", "max_tokens", "max_completion_tokens", "stream"}
    ours |= {"stream_options", "tools", "n"}
    fields = {name: value for name, value in extra.items() if name not in ours}
    data = json.dumps(
        {"messages": [{"role": "user", "content": " spaced \\u00e9"}], **fields}, indent=1
    ).encode()
    out = rewrite(read_request(data), model="m", max_output_tokens=1, stream=False).body
    for value in [*fields.values(), json.loads(data)["messages"]]:
        assert json.dumps(value, indent=1).replace("\n", "\n ").encode() in out
