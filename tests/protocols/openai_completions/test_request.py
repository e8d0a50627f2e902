"""The head of a text completion's request, and its body for a relay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.errors import RequestError
from twotier.protocols import openai_completions
from twotier.protocols.openai_completions import no_translation, read_request


def body(**fields: Any) -> bytes:
    return json.dumps({"prompt": "Once", **fields}).encode()


def relayed(data: bytes, *, stream: bool = True, keep: frozenset[str] | None = None) -> Any:
    out = openai_completions.rewrite(
        read_request(data), model="m", max_output_tokens=7, stream=stream, keep=keep
    )
    return json.loads(out.body), out.unsaid


def test_the_head_says_what_routing_needs() -> None:
    data = body(
        model="local", stream=True, stream_options={"include_usage": True}, max_tokens=9, best_of=1
    )
    request = read_request(data)
    assert (request.dialect, request.model, request.stream) == (
        "openai_completions",
        "local",
        True,
    )
    assert (request.include_usage, request.max_output_tokens) == (True, 9)
    assert (request.text_bytes, request.head_text) == (len(data), "Once")


@pytest.mark.parametrize(
    ("prompt", "text"), [(["Once"], "Once"), ([], ""), ([1, 2], ""), ([[1, 2]], "")]
)
def test_a_prompt_may_be_a_list_of_one_or_tokens(prompt: Any, text: str) -> None:
    assert read_request(body(prompt=prompt)).head_text == text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": ["a", "b"]}, "prompt: only one is possible"),
        ({"prompt": [[1], [2]]}, "prompt: only one is possible"),
        ({"prompt": None}, "prompt: expected"),
        ({"n": 2}, "n: only 1"),
        ({"best_of": 3}, "best_of: only 1"),
        ({"max_tokens": 0}, "max_tokens: must be 1 or more"),
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(fields: Any, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(body(**fields))
    assert sentence in caught.value.message


def test_a_relay_sets_model_limit_and_stream() -> None:
    sent, unsaid = relayed(body(model="auto", seed=1, echo=True))
    assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("m", 7, True)
    assert (sent["stream_options"], sent["seed"], sent["prompt"]) == (
        {"include_usage": True},
        1,
        "Once",
    )
    assert unsaid == ()
    kept, unsaid = relayed(body(echo=True, user="u"), stream=False, keep=frozenset({"echo"}))
    assert set(kept) == {"prompt", "model", "max_tokens", "stream", "echo"}
    assert unsaid == ("user",)


def test_what_a_stream_put_together_would_lose_is_refused() -> None:
    with pytest.raises(RequestError, match="logprobs"):
        relayed(body(logprobs=0))
    assert relayed(body(logprobs=None))
    assert relayed(body(logprobs=1, stream=True))[0]["logprobs"] == 1


def test_it_is_never_translated() -> None:
    with pytest.raises(RequestError, match="/chat/completions"):
        no_translation(b"{}")
