"""Events written as a Responses stream, and read by the official SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import (
    ParsedResponse,
    Response,
    ResponseCustomToolCall,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseReasoningItem,
    ResponseStreamEvent,
)
from pydantic import TypeAdapter

from tests.fakes.openai_server import FakeOpenAI, Raw
from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Finish,
    Metered,
    Progress,
    ReasoningDelta,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
)
from twotier.errors import (
    BudgetError,
    PriceUnknownError,
    RequestError,
    StreamBrokenError,
    TooLongError,
    TwotierError,
    UpstreamError,
)
from twotier.protocols.assemble import Assembly
from twotier.protocols.openai_responses import StreamReader, StreamWriter, read_request, write_whole

T = TypeVar("T")
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
USAGE = Usage(
    5, 7, cache_read_tokens=3, cache_write_tokens=1, cache_write_1h_tokens=2, reasoning_tokens=4
)
BODY = {
    "model": "local",
    "input": "hi",
    "stream": True,
    "instructions": "Be kind.",
    "temperature": 0.7,
    "metadata": {"a": "b"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "parallel_tool_calls": None,
    "tools": [
        {"type": "function", "name": "f", "parameters": {}, "strict": False},
        {"type": "custom", "name": "patch"},
        {"type": "web_search"},
        {
            "type": "namespace",
            "name": "crm",
            "description": "Customers",
            "tools": [{"type": "function", "name": "find", "parameters": {}, "strict": False}],
        },
    ],
}
REQUEST = read_request(json.dumps(BODY).encode())
ANSWER: tuple[Event, ...] = (
    Began("theirs", "their-model"),
    Metered(Usage(5)),
    Progress(5, 10),
    ReasoningDelta("hm"),
    ReasoningDelta(", yes"),
    ReasoningDelta("", "signed"),
    ReasoningDelta("", hidden="secret"),
    TextDelta("Grüße"),
    TextDelta(" 🙂"),
    TextDelta(""),
    ToolCallBegan(0, "call_a", "f"),
    ToolCallDelta(0, '{"x":'),
    ToolCallBegan(1, "call_b", "patch"),
    ToolCallDelta(1, '{"input":"*** Be'),
    ToolCallDelta(0, ""),
    ToolCallDelta(0, "1}"),
    ToolCallDelta(1, 'gin\\n"}'),
    ToolCallBegan(2, "call_c", "crm__find"),
    ToolCallDelta(2, "{}"),
    Ended("tool_calls"),
    Metered(USAGE, final=True),
    Closed(),
)


def writer() -> StreamWriter:
    return StreamWriter("req_1", model="m", created=1700000000, request=REQUEST)


def pieces(events: Sequence[Event]) -> list[bytes]:
    made = writer()
    return [made.write(event) for event in events]


def objects(data: Sequence[bytes]) -> list[dict[str, Any]]:
    lines = [line for line in b"".join(data).decode().split("\n") if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def kinds(data: Sequence[bytes]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in objects(data)]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOpenAI]:
    """Plays out bytes."""
    with FakeOpenAI() as fake:
        yield fake


def asked(server: FakeOpenAI, data: Sequence[bytes], ask: Callable[[openai.OpenAI], T]) -> T:
    """What the SDK makes of these bytes, which come chunk by chunk from a real server."""
    server.queue(Raw(tuple(piece for piece in data if piece)))
    with openai.OpenAI(base_url=f"{server.base_url}/v1", api_key="x", max_retries=0) as client:
        return ask(client)


def accumulated(client: openai.OpenAI) -> ParsedResponse[None]:
    """The answer as the SDK's stream helper puts it together."""
    tools: Any = BODY["tools"]
    with client.responses.stream(model="m", input="hi", tools=tools) as stream:
        response: ParsedResponse[None] = stream.get_final_response()
        return response


def test_each_event_is_of_the_sdks_type_and_numbered_from_zero() -> None:
    written = objects(pieces(ANSWER))
    for event in written:
        EVENT.validate_python(event)
    assert [event["sequence_number"] for event in written] == list(range(len(written)))
    assert [event["type"] for event in written] == [
        line.removeprefix("event: ")
        for line in b"".join(pieces(ANSWER)).decode().split("\n")
        if line.startswith("event: ")
    ]


def test_items_are_added_filled_and_done_in_openais_order() -> None:
    """Text and thinking are done when something else begins, calls at the end, also mixed ones."""
    thinking = ["reasoning_summary_part.added", *["reasoning_summary_text.delta"] * 2]
    thinking += ["reasoning_summary_text.done", "reasoning_summary_part.done"]
    text = ["content_part.added", *["output_text.delta"] * 2]
    text += ["output_text.done", "content_part.done"]
    added, done = ["output_item.added"], ["output_item.done"]
    function, custom = "function_call_arguments", "custom_tool_call_input"
    assert kinds(pieces(ANSWER)) == [
        *["created", "in_progress"],
        *added,
        *thinking,
        *done,
        *added,
        *done,
        *added,
        *text,
        *done,
        *[*added, f"{function}.delta", *added, f"{custom}.delta"],
        *[f"{function}.delta", f"{custom}.delta", *added, f"{function}.delta"],
        *[f"{function}.done", *done, f"{custom}.done", *done, f"{function}.done", *done],
        "completed",
    ]


def test_the_official_sdk_puts_the_stream_together(server: FakeOpenAI) -> None:
    """Names, texts and ids are the client's own: custom tools, namespaces, sealed thinking."""
    response = asked(server, pieces(ANSWER), accumulated)
    thought, hidden, message, call, patch, find = response.output
    assert isinstance(thought, ResponseReasoningItem)
    assert [part.text for part in thought.summary] == ["hm, yes"]
    assert thought.encrypted_content == "twotier:signature:signed"
    assert isinstance(hidden, ResponseReasoningItem)
    assert (hidden.summary, hidden.encrypted_content) == ([], "twotier:hidden:secret")
    assert isinstance(message, ResponseOutputMessage)
    assert response.output_text == "Grüße 🙂"
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.call_id, call.name, call.arguments) == ("call_a", "f", '{"x":1}')
    assert isinstance(patch, ResponseCustomToolCall)
    assert (patch.call_id, patch.name, patch.input) == ("call_b", "patch", "*** Begin\n")
    assert isinstance(find, ResponseFunctionToolCall)
    assert (find.call_id, find.name, find.namespace) == ("call_c", "find", "crm")
    assert response.usage is not None
    assert response.usage.model_dump(exclude_none=True) == {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 3},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 18,
    }


def test_the_object_repeats_what_was_asked_at_both_ends() -> None:
    events = objects(pieces(ANSWER))
    first, last = events[0]["response"], events[-1]["response"]
    for name in ("instructions", "temperature", "metadata", "reasoning", "tools"):
        assert first[name] == last[name] == BODY[name]
    assert (first["parallel_tool_calls"], first["tool_choice"]) == (True, "auto")
    assert (first["status"], first["output"], first["usage"]) == ("in_progress", [], None)
    assert (last["status"], last["store"], last["model"]) == ("completed", False, "m")
    assert (first["id"], last["id"], last["created_at"]) == ("resp_1", "resp_1", 1700000000)
    Response.model_validate(last)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_body_with_line_ends_is_repeated_without(end: str) -> None:
    body = json.dumps(BODY, indent=1).replace("\n", end).encode()
    made = StreamWriter("req_1", model="m", created=1, request=read_request(body))
    first, *_ = made.write(Began("", "")).split(b"\n\n")
    assert b"\r" not in first
    _, data = first.split(b"\n")
    assert json.loads(data.removeprefix(b"data: "))["response"]["tools"] == BODY["tools"]


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("refusal", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_the_last_event_says_why_the_answer_ended(finish: Finish, status: str, reason: Any) -> None:
    events = (TextDelta("a"), Ended(finish), Closed())
    last = objects(pieces(events))[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"]["incomplete_details"] == reason
    assert last["response"]["usage"] is None
    item = last["response"]["output"][0]["status"]
    assert item == ("incomplete" if finish == "length" else "completed")


def test_an_answer_without_anything_in_it_is_an_answer(server: FakeOpenAI) -> None:
    response = asked(server, pieces([Ended("stop"), Closed()]), accumulated)
    assert (response.output, response.output_text) == ([], "")


def test_a_sign_of_life_is_a_comment_and_begins_nothing() -> None:
    assert pieces([Progress(5, 10), Progress()]) == [b": keepalive 5/10\n\n", b": keepalive\n\n"]


def test_empty_pieces_say_nothing() -> None:
    assert pieces([ReasoningDelta(""), TextDelta("")]) == [b"", b""]


def test_an_error_is_raised_by_the_sdk_and_there_is_no_end(server: FakeOpenAI) -> None:
    """Codex hears `response.failed`, the SDK what has an `error`; so there is one of each."""
    made = writer()
    data = [made.write(TextDelta("a")), made.write(Progress())]
    error = UpstreamError("Overloaded", upstream_status=529, upstream_kind="overloaded_error")
    data.append(made.error(error))
    told, failed = objects(data[-1:])
    assert told["error"] == {
        "type": "overloaded_error",
        "code": "server_is_overloaded",
        "message": "Overloaded",
        "param": None,
    }
    assert (told["type"], told["code"], told["message"]) == (
        "error",
        "server_is_overloaded",
        "Overloaded",
    )
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "server_is_overloaded", "message": "Overloaded"}
    EVENT.validate_python(told)
    assert "completed" not in kinds(data)

    with pytest.raises(openai.APIError, match="Overloaded"):
        asked(server, data, accumulated)

    def iterated(client: openai.OpenAI) -> list[Any]:
        return list(client.responses.create(model="m", input="hi", stream=True))

    with pytest.raises(openai.APIError, match="Overloaded"):
        asked(server, data, iterated)


def upstream(status: int, kind: str) -> UpstreamError:
    return UpstreamError("m", upstream_status=status, upstream_kind=kind)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (TooLongError("m"), "invalid_request_error", "context_length_exceeded"),
        (RequestError("m"), "invalid_request_error", "invalid_prompt"),
        (BudgetError("m"), "insufficient_quota", "insufficient_quota"),
        (PriceUnknownError("m"), "insufficient_quota", "insufficient_quota"),
        (StreamBrokenError("m"), "api_error", "server_error"),
        (upstream(429, "rate_limit_error"), "rate_limit_error", "rate_limit_exceeded"),
        (upstream(429, "insufficient_quota"), "insufficient_quota", "insufficient_quota"),
        (upstream(503, "api_error"), "api_error", "server_is_overloaded"),
        (upstream(400, "context_length_exceeded"), *["context_length_exceeded"] * 2),
        (upstream(500, "api_error"), "api_error", "server_error"),
    ],
)
def test_an_error_has_the_code_that_clients_of_this_dialect_know(
    error: TwotierError, kind: str, code: str
) -> None:
    told, failed = objects([writer().error(error)])
    assert (told["error"]["type"], told["error"]["code"]) == (kind, code)
    assert failed["response"]["error"]["code"] == code


def test_a_failure_in_the_stream_is_written_as_an_error() -> None:
    made = writer()
    data = [made.write(TextDelta("a")), made.write(Failed("Slow", "rate_limit_error", 429))]
    assert kinds(data)[-2:] == ["error", "failed"]
    assert objects(data)[-2]["code"] == "rate_limit_exceeded"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
SAID = st.lists(
    st.one_of(
        st.builds(TextDelta, TEXTS),
        st.builds(ReasoningDelta, TEXTS),
        st.builds(lambda seal: ReasoningDelta("", seal), TEXTS),
        st.builds(lambda seal: ReasoningDelta("", hidden=seal), TEXTS),
        st.tuples(st.sampled_from(["f", "patch", "crm__find"]), TEXTS),
    ),
    max_size=8,
)


def with_calls(said: Sequence[Event | tuple[str, str]]) -> list[Event]:
    """Pairs as whole calls."""
    events: list[Event] = []
    for at, one in enumerate(said):
        if isinstance(one, tuple):
            arguments = json.dumps({"input": one[1]}, separators=(",", ":"), ensure_ascii=False)
            events += [ToolCallBegan(at, f"call_{at}", one[0]), ToolCallDelta(at, arguments)]
        else:
            events.append(one)
    return events


@settings(deadline=None)
@given(SAID, st.sampled_from(["stop", "length", "refusal"]))
def test_a_stream_and_a_whole_answer_say_the_same(said: list[Any], finish: Finish) -> None:
    """What the last event holds is, byte for byte, what `write_whole` makes of the same events."""
    events = [Began("req_1", "m"), *with_calls(said), Metered(USAGE), Ended(finish), Closed()]
    assembly = Assembly()
    for event in events:
        assembly.fold(event)
    whole = write_whole(assembly.whole(), created=1700000000, request=REQUEST)
    assert objects(pieces(events))[-1]["response"] == json.loads(whole)


@settings(deadline=None, max_examples=20)
@given(said=SAID)
def test_the_sdks_helper_accumulates_what_a_whole_answer_says(
    server: FakeOpenAI, said: list[Any]
) -> None:
    events = [Began("req_1", "m"), *with_calls(said), Metered(USAGE), Ended("stop"), Closed()]
    assembly = Assembly()
    for event in events:
        assembly.fold(event)
    whole = write_whole(assembly.whole(), created=1700000000, request=REQUEST)
    streamed = asked(server, pieces(events), accumulated)
    assert streamed.to_dict() | {"output": []} == json.loads(whole) | {"output": []}
    plain = [item.to_dict() for item in Response.model_validate_json(whole).output]
    found = [item.to_dict() for item in streamed.output]
    for item in found:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or ():  # type: ignore[attr-defined]
            part.pop("parsed", None)
    assert found == plain


@settings(deadline=None)
@given(SAID, st.sampled_from(["stop", "length", "refusal"]))
def test_what_is_written_is_read_again(said: list[Any], finish: Finish) -> None:
    """Another twotier as the upstream: sealed thinking and custom tools come through as well."""
    events = with_calls(said)
    usage = Usage(2, 3, cache_read_tokens=1, cache_write_tokens=2, reasoning_tokens=1)
    given_events = [*events, Ended(finish), Metered(usage, final=True), Closed()]
    reader = StreamReader()
    found = reader.feed(b"".join(pieces(given_events)))
    reader.end()
    calls = any(isinstance(event, ToolCallBegan) for event in events)
    wanted, again = Assembly(), Assembly()
    for event in (Began("resp_1", "m"), *given_events):
        wanted.fold(event)
    for event in found:
        again.fold(event)
    expected = wanted.whole()
    assert again.whole().parts == expected.parts
    assert again.whole().usage == usage
    assert again.whole().finish == ("tool_calls" if calls and finish == "stop" else finish)
