"""The head of a request, and its body for a relay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.pdfs import pdf
from twotier.domain.message import Passed
from twotier.errors import RequestError
from twotier.protocols.openai_responses import read_request, rewrite
from twotier.protocols.wire import HEAD_TEXT_CHARS_MAX

PNG = "data:image/png;base64," + "A" * 1000
PDF = "data:application/pdf;base64," + pdf(2)


def body(**fields: Any) -> bytes:
    return json.dumps({"input": "hi", **fields}).encode()


def said(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def text(value: str) -> dict[str, Any]:
    return {"type": "input_text", "text": value}


def test_the_head_says_what_routing_needs() -> None:
    data = body(model="auto", stream=True, max_output_tokens=9, tools=[{"type": "function"}, {}])
    request = read_request(data, Passed("a=1"))
    assert request.dialect == "openai_responses"
    assert request.body is data
    assert (request.model, request.stream, request.max_output_tokens) == ("auto", True, 9)
    assert (request.tools, request.images, request.document_pages) == (2, 0, 0)
    assert (request.text_bytes, request.head_text) == (len(data), "hi")
    assert request.passed == Passed("a=1")


def test_what_the_client_did_not_say_has_plain_defaults() -> None:
    request = read_request(body(tools=None, stream=None, max_output_tokens=None))
    assert (request.model, request.stream) == ("", False)
    assert (request.max_output_tokens, request.tools) == (None, 0)


def test_tools_that_imitations_drop_make_a_request_exacting() -> None:
    """So a local server that speaks this dialect is asked in its own, where they are functions."""
    for kind in ("custom", "namespace"):
        assert read_request(body(tools=[{"type": "function"}, {"type": kind}])).exacting
    assert not read_request(body(tools=[{"type": "function"}, {"type": "web_search"}])).exacting
    assert not read_request(body()).exacting
    for form, checked in (("text", False), ("json_schema", True), ("json_object", True)):
        assert read_request(body(text={"format": {"type": form}})).exacting is checked
    assert not read_request(body(text={"verbosity": "low"})).exacting


def test_what_is_inline_is_counted_and_not_taken_for_text() -> None:
    """Also in what a tool answered."""
    data = body(
        input=[
            said(
                text("look"),
                {"type": "input_image", "image_url": PNG},
                {"type": "input_image", "image_url": "https://example.com/a.png"},
                {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
                {"type": "input_file", "file_data": "data:text/plain;base64,AAAA"},
            ),
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [{"type": "input_image", "image_url": PNG}],
            },
            {"type": "function_call_output", "call_id": "c", "output": "done"},
        ]
    )
    request = read_request(data)
    assert request.images == 3
    assert request.text_bytes == len(data) - 2 * len(PNG) - len(PDF)
    assert request.document_pages == 2
    assert request.head_text == "look"


def test_a_document_elsewhere_may_have_any_number_of_pages() -> None:
    part = {"type": "input_file", "file_url": "https://example.com/a.pdf"}
    assert read_request(body(input=[said(part)])).document_pages >= 100


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ("x" * 9000, "x" * HEAD_TEXT_CHARS_MAX),
        ([{"role": "user", "content": "first"}, {"role": "user", "content": "last"}], "last"),
        ([said(text("a"), text("b"))], "a\nb"),
        ([{"role": "user", "content": "y" * 9000}], "y" * HEAD_TEXT_CHARS_MAX),
        (
            [{"role": "user", "content": "mine"}, said(text("yours"), role="assistant")],
            "mine",
        ),
        ([said(text("text")), said({"type": "input_image", "image_url": PNG})], "text"),
        ([{"role": "user", "content": None}], ""),
        ([{"type": "function_call_output", "call_id": "c", "output": "done"}], ""),
    ],
)
def test_the_last_user_text_is_found(items: Any, found: str) -> None:
    assert read_request(body(input=items)).head_text == found


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id: no answers are kept here"),
        ({"conversation": {"id": "conv_1"}}, "conversation: no answers are kept here; send"),
        ({"background": True}, "background: no answers are kept here to be fetched"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt: prompt templates are not kept here"),
        ({"input": []}, "input: is missing or empty"),
        ({"input": ""}, "input: is missing or empty"),
        ({"input": None}, "input: is missing or empty"),
        ({"input": 3}, "input: expected"),
        ({"input": [{"role": "user", "content": [3]}]}, "expected object, got int"),
        ({"input": [{"role": "user", "content": {}}]}, "expected str"),
        ({"max_output_tokens": 0}, "max_output_tokens: must be 1 or more"),
        ({"stream": "yes"}, "stream: expected bool"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        read_request(body(**fields))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(RequestError):
        read_request(data)


def test_what_needs_nothing_kept_may_be_said() -> None:
    fields = {"previous_response_id": None, "background": False, "conversation": None}
    assert read_request(body(**fields)).head_text == "hi"


def test_a_relay_changes_three_fields_and_no_other_byte() -> None:
    data = (
        b'{"model" : "local", "input":[ {"role":"user","content":"hi"} ], "x": {"y": 1.50},'
        b'"stream":false,"tools":[{"type":"function"}],"stream_options":{"include_obfuscation":false}}'
    )
    out = rewrite(read_request(data), model="m", max_output_tokens=7, stream=True)
    assert out.unsaid == ()
    assert out.body == (
        b'{"model":"m","input":[ {"role":"user","content":"hi"} ],"x":{"y": 1.50},"stream":true,'
        b'"tools":[{"type":"function"}],"stream_options":{"include_obfuscation":false},'
        b'"max_output_tokens":7}'
    )
    still = rewrite(read_request(data), model="m", max_output_tokens=7, stream=False)
    assert b"stream_options" not in still.body


def test_only_allowed_fields_go_to_a_local_server() -> None:
    request = read_request(body(model="m", temperature=0.5, metadata={}, prompt_cache_key="k"))
    keep = frozenset({"temperature"})
    out = rewrite(request, model="m", max_output_tokens=7, stream=False, keep=keep)
    assert set(json.loads(out.body)) == {
        "model",
        "input",
        "max_output_tokens",
        "stream",
        "temperature",
    }
    assert out.unsaid == ("metadata", "prompt_cache_key")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5))
def test_fields_we_never_heard_of_are_passed_on(fields: dict[str, Any]) -> None:
    others = {f"x_{name}": value for name, value in fields.items()}
    out = rewrite(read_request(body(**others)), model="m", max_output_tokens=1, stream=True)
    again = json.loads(out.body)
    assert {name: again[name] for name in others} == others
