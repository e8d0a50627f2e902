"""Embeddings: relayed whole, and paid by their usage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import Observed, Usage
from twotier.errors import RequestError, StreamBrokenError, UpstreamError
from twotier.protocols import openai_embeddings
from twotier.protocols.openai_embeddings import no_embeddings, observe_whole, read_request


def body(**fields: Any) -> bytes:
    return json.dumps({"input": "text", **fields}).encode()


@pytest.mark.parametrize("given", ["text", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_every_form_of_input_is_taken(given: Any) -> None:
    data = body(input=given, model="local")
    request = read_request(data)
    assert (request.dialect, request.model, request.stream) == ("openai_embeddings", "local", False)
    assert (request.text_bytes, request.head_text) == (len(data), "")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"input": ""}, "input: is empty"),
        ({"input": []}, "input: is empty"),
        ({"input": 5}, "input: expected"),
        ({"stream": True}, "stream: embeddings come in one piece"),
    ],
)
def test_a_wrong_request_is_refused_by_the_name_of_its_field(fields: Any, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(body(**fields))
    assert sentence in caught.value.message


def test_a_relay_sets_the_model_alone() -> None:
    request = read_request(body(model="auto", dimensions=8, user="u", stream=False))
    out = openai_embeddings.rewrite(
        request, model="m", max_output_tokens=1, stream=False, keep=frozenset({"dimensions"})
    )
    assert json.loads(out.body) == {"input": "text", "model": "m", "dimensions": 8}
    assert out.unsaid == ("user",)
    every = openai_embeddings.rewrite(request, model="m", max_output_tokens=1, stream=False)
    assert (json.loads(every.body)["user"], every.unsaid) == ("u", ())


def test_usage_is_all_prompt() -> None:
    answer = {"model": "m", "data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 4}}
    assert observe_whole(json.dumps(answer).encode()) == Observed(
        model="m",
        usage=Usage(4),
        usage_final=True,
        finish="stop",
        closed=True,
        content=True,
    )
    del answer["usage"]
    assert observe_whole(json.dumps(answer).encode()).usage is None


@pytest.mark.parametrize("data", [b"", b"{}", b'{"data": []}', b"<html>"])
def test_an_answer_without_vectors_is_a_broken_one(data: bytes) -> None:
    with pytest.raises(StreamBrokenError):
        observe_whole(data)


def test_an_error_under_200_is_an_upstream_error() -> None:
    with pytest.raises(UpstreamError, match="no pooling"):
        observe_whole(b'{"error": {"message": "no pooling", "code": 501}}')


def test_it_is_never_translated() -> None:
    with pytest.raises(RequestError, match="/embeddings"):
        no_embeddings(b"{}")
