"""OpenAI's embeddings, for servers that have them: relayed in one piece, never translated.

Nothing is generated, so the usage is all prompt, and there is nothing to stream or to finish.
"""

from __future__ import annotations

from typing import NoReturn

import msgspec

from twotier.domain.message import NOTHING_PASSED, Observed, Passed, Request
from twotier.errors import RequestError, StreamBrokenError
from twotier.protocols.openai_wire import FIELDS, AnswerIn, read_error, write_error
from twotier.protocols.wire import Outgoing, read_client_json, read_upstream_json

__all__ = [
    "no_embeddings",
    "observe_whole",
    "read_error",
    "read_request",
    "rewrite",
    "write_error",
]
_ALWAYS_KEPT = frozenset({"model", "input"})
_encode = msgspec.json.Encoder().encode


class _Head(msgspec.Struct):
    input: str | list[str | int | list[int]]
    model: str = ""
    stream: bool | None = None


class _Answer(AnswerIn):
    data: list[msgspec.Raw] | None = None


_HEAD = msgspec.json.Decoder(_Head)
_ANSWER = msgspec.json.Decoder(_Answer)


def read_request(body: bytes, passed: Passed = NOTHING_PASSED) -> Request:
    """The head of `body`. Raises `RequestError` that names the field which is wrong."""
    head = read_client_json(_HEAD, body)
    if not head.input:
        raise RequestError("input: is empty; send at least one text")
    if head.stream:
        raise RequestError("stream: embeddings come in one piece; ask without a stream")
    # The texts are no task in words, so the router sees none of them; one token is the least that
    # can be reserved as output.
    return Request(
        dialect="openai_embeddings",
        body=body,
        model=head.model,
        max_output_tokens=1,
        text_bytes=len(body),
        passed=passed,
    )


def rewrite(
    request: Request,
    *,
    model: str,
    max_output_tokens: int,  # noqa: ARG001 - the seam's; nothing is generated
    stream: bool,  # noqa: ARG001 - the seam's
    keep: frozenset[str] | None = None,
) -> Outgoing:
    """The body for an upstream of this dialect; `unsaid` names the fields that `keep` lacks."""
    fields = read_client_json(FIELDS, request.body)
    fields["model"] = msgspec.Raw(_encode(model))
    fields.pop("stream", None)
    unsaid = () if keep is None else tuple(sorted(fields.keys() - keep - _ALWAYS_KEPT))
    for name in unsaid:
        del fields[name]
    return Outgoing(_encode(fields), unsaid)


def observe_whole(body: bytes) -> Observed:
    """What the ledger keeps of an answer.

    Raises `StreamBrokenError` for what is no whole answer, `UpstreamError` for an error under 200.
    """
    answer = read_upstream_json(_ANSWER, body, what="an answer")
    answer.check()
    if not answer.data:
        raise StreamBrokenError(
            "the upstream's answer has no embeddings; check that its server was started for them"
        )
    usage = answer.metered()
    return Observed(
        model=answer.model or "",
        usage=usage,
        usage_final=usage is not None,
        finish="stop",
        closed=True,
        content=True,
    )


def no_embeddings(*_: object, **__: object) -> NoReturn:
    """Stands wherever another dialect translates or streams. Raises `RequestError`."""
    raise RequestError("embeddings are only made by a tier whose server has /embeddings")
