"""Text completions that come in one piece, and the pieces that their streams are made of."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import Finish, Observed, Request, Text, Whole, utf8_bytes
from twotier.errors import StreamBrokenError
from twotier.protocols.openai_wire import AnswerIn, ChoiceIn, usage_object
from twotier.protocols.wire import read_upstream_json

FINISH_READ: dict[str, Finish] = {"length": "length", "content_filter": "refusal"}
FINISH_WRITTEN: dict[Finish, str] = {"length": "length", "refusal": "content_filter"}
_encode = msgspec.json.Encoder().encode


class Choice(ChoiceIn):
    """The one choice."""

    text: str | None = None


class Completion(AnswerIn):
    """A chunk or a whole answer."""

    choices: list[Choice] | None = None


COMPLETION = msgspec.json.Decoder(Completion)


def read_whole(body: bytes) -> Whole:
    """An answer in neutral form.

    Raises `StreamBrokenError` for what is no whole answer, `UpstreamError` for an error under 200.
    """
    answer = read_upstream_json(COMPLETION, body, what="an answer")
    answer.check()
    ended = answer.choices[0] if answer.choices else Choice()
    if not ended.finish_reason:
        raise StreamBrokenError(
            "the upstream's answer has no finished choice; ask again, "
            "and see the log of its server if this repeats"
        )
    return Whole(
        answer.id or "",
        answer.model or "",
        (Text(ended.text),) if ended.text else (),
        FINISH_READ.get(ended.finish_reason, "stop"),
        answer.metered(),
        ended.stop_sequence,
    )


def observe_whole(body: bytes) -> Observed:
    """What the ledger keeps of a relayed answer. Raises as `read_whole`."""
    whole = read_whole(body)
    written = sum(utf8_bytes(part.text) for part in whole.parts if isinstance(part, Text))
    return Observed(
        id=whole.id,
        model=whole.model,
        usage=whole.usage,
        usage_final=whole.usage is not None,
        output_bytes=written,
        finish=whole.finish,
        closed=True,
        content=bool(written),
    )


def write_whole(whole: Whole, *, created: int, request: Request) -> bytes:  # noqa: ARG001 - the seam's
    """An answer for a client, put together from a stream. `created` is Unix time in seconds."""
    text = "".join(part.text for part in whole.parts if isinstance(part, Text))
    answer: dict[str, Any] = {
        "id": whole.id,
        "object": "text_completion",
        "created": created,
        "model": whole.model,
        "choices": [
            choice(
                text, FINISH_WRITTEN.get(whole.finish, "stop"), stop_sequence=whole.stop_sequence
            )
        ],
    }
    # A missing usage is left out rather than written as zeros: nobody counted it.
    if whole.usage is not None:
        answer["usage"] = usage_object(whole.usage)
    return _encode(answer)


def choice(text: str, finish: str | None, *, stop_sequence: str = "") -> dict[str, Any]:
    """The one choice, as both forms of an answer carry it."""
    more = {"stop_reason": stop_sequence} if stop_sequence else {}
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish, **more}
