"""A text completion's request: its head, its body for a relay, and the refusal to translate it."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from twotier.domain.message import NOTHING_PASSED, Passed, Request
from twotier.errors import RequestError, UnsayableError
from twotier.protocols.openai_wire import FIELDS, set_stream
from twotier.protocols.wire import HEAD_TEXT_CHARS_MAX, Outgoing, read_client_json

_ALWAYS_KEPT = frozenset({"model", "prompt", "max_tokens", "stream", "stream_options"})
_encode = msgspec.json.Encoder().encode


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Head(msgspec.Struct):
    prompt: str | list[str | int | list[int]]
    model: str = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None


_HEAD = msgspec.json.Decoder(_Head)


def read_request(body: bytes, passed: Passed = NOTHING_PASSED) -> Request:
    """The head of `body`. Raises `RequestError` that names the field which is wrong."""
    head = read_client_json(_HEAD, body)
    for name in ("n", "best_of"):
        if getattr(head, name) not in (None, 1):
            raise RequestError(f"{name}: only 1 is possible; send one request for each answer")
    if head.max_tokens is not None and head.max_tokens < 1:
        raise RequestError("max_tokens: must be 1 or more; leave it out for the tier's default")
    return Request(
        dialect="openai_completions",
        body=body,
        model=head.model,
        stream=bool(head.stream),
        max_output_tokens=head.max_tokens,
        text_bytes=len(body),
        head_text=_text(head.prompt)[:HEAD_TEXT_CHARS_MAX],
        include_usage=bool(head.stream_options and head.stream_options.include_usage),
        passed=passed,
    )


def _text(prompt: str | list[Any]) -> str:
    """The prompt's text, empty where it came as tokens."""
    if isinstance(prompt, str):
        return prompt
    if len(prompt) > 1 and not all(isinstance(token, int) for token in prompt):
        raise RequestError("prompt: only one is possible; send one request for each of them")
    return prompt[0] if prompt and isinstance(prompt[0], str) else ""


def rewrite(
    request: Request,
    *,
    model: str,
    max_output_tokens: int,
    stream: bool,
    keep: frozenset[str] | None = None,
) -> Outgoing:
    """The body for an upstream of this dialect; `unsaid` names the fields that `keep` lacks.

    Raises `RequestError` for what an answer put together from a stream has no room for.
    """
    fields = read_client_json(FIELDS, request.body)
    if stream and not request.stream and bytes(fields.get("logprobs", b"null")) != b"null":
        raise UnsayableError("logprobs: this tier gives them only in a stream; set stream to true")
    fields["max_tokens"] = msgspec.Raw(b"%d" % max_output_tokens)
    fields["model"] = msgspec.Raw(_encode(model))
    set_stream(fields, stream)
    unsaid = () if keep is None else tuple(sorted(fields.keys() - keep - _ALWAYS_KEPT))
    for name in unsaid:
        del fields[name]
    return Outgoing(_encode(fields), unsaid)


def no_translation(*_: object, **__: object) -> NoReturn:
    """Stands wherever another dialect translates. Raises `RequestError`."""
    raise RequestError("this tier has no /completions; ask with /chat/completions")
