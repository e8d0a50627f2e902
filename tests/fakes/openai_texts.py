"""What the fake OpenAI server says on its other two paths: text completions and embeddings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.fakes.mind import tokens

CONTINUED = " and so on, über alles."


def usage(body: Mapping[str, Any]) -> dict[str, int]:
    """Its count of a text completion."""
    return {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}


def text(body: Mapping[str, Any]) -> str:
    """The answer: the prompt again where it was asked for, and its continuation."""
    return (body["prompt"] if body.get("echo") else "") + CONTINUED


def piece(body: Mapping[str, Any], said: str, finish: str | None, **more: Any) -> dict[str, Any]:
    """A chunk or a whole answer."""
    choice = {"text": said, "index": 0, "logprobs": None, "finish_reason": finish}
    head = {"id": "cmpl-fake1", "object": "text_completion", "created": 1700000000}
    return {**head, "model": body["model"], "choices": [choice], **more}


def whole(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer in one piece."""
    return piece(body, text(body), "stop", usage=usage(body))


def stream(body: Mapping[str, Any]) -> list[str]:
    """The answer as server-sent events."""
    chunks = [piece(body, said, None) for said in tokens(text(body))]
    chunks.append(piece(body, "", "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**piece(body, "", None), "choices": [], "usage": usage(body)})
    return [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]


def embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """One vector for each text, and a usage that is all prompt."""
    given = body["input"]
    texts = given if isinstance(given, list) else [given]
    data = [
        {"object": "embedding", "index": at, "embedding": [0.5, -0.25]} for at in range(len(texts))
    ]
    used = {"prompt_tokens": 4 * len(texts), "total_tokens": 4 * len(texts)}
    return {"object": "list", "data": data, "model": body["model"], "usage": used}
