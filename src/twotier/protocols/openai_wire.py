"""What OpenAI's dialects share on the wire: errors, usage, and the frame of their streams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from twotier.domain.message import Failed, Progress, Usage
from twotier.domain.timing import Timing
from twotier.errors import BudgetError, TwotierError, UpstreamError
from twotier.protocols.asked import mode_of
from twotier.protocols.sse import SseEvent, encode, encode_comment
from twotier.protocols.wire import (
    ErrorFields,
    read_client_json,
    read_error_body,
    retry_after_seconds,
    shortened,
)

# A body's fields, each byte for byte as it came.
FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
DONE = b"[DONE]"
NULL = msgspec.Raw(b"null")
NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_KEEPALIVE = re.compile(rb"keepalive (\d{1,9})/(\d{1,9})")
_STREAM_OPTIONS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_TRUE, _FALSE = msgspec.Raw(b"true"), msgspec.Raw(b"false")
_encode = msgspec.json.Encoder().encode
_STATUS_BY_KIND = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "overloaded_error": 529,
    "server_overloaded": 503,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
}


def write_error(error: TwotierError) -> bytes:
    """`{"error": {...}}`. An upstream's error keeps its own type, which clients look at. A budget
    that refuses is told in fields too.
    """
    said = error_object(error.message, kind=kind_of(error), code=error.code)
    if isinstance(error, BudgetError) and error.facts:
        said["error"]["budget"] = dict(error.facts)
    return _encode(said)


def kind_of(error: TwotierError) -> str:
    """The type: the upstream's own, unless it would be misread or has another name here."""
    if not isinstance(error, UpstreamError):
        return error.kind
    if error.billing:
        return "insufficient_quota"
    if error.upstream_status in (401, 403):
        return "api_error"  # our key was refused, not the client's
    return error.upstream_kind


def error_object(message: str, *, kind: str, code: str) -> dict[str, Any]:
    """The object that both error replies and error chunks carry."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def read_error(status: int, body: bytes, *, headers: Mapping[str, str]) -> UpstreamError:
    """A reply without a 2xx status as an error. `headers` have names in lower case.

    An error in the server's own words means that it refused the work. A 500, 502 or 504 without
    them comes from something between us and it, and then it may have begun (`started`).
    """
    found = read_error_body(body)
    if found is None:
        message, kind = "it gave no reason in JSON; check base_url and its log", "api_error"
    else:
        code = found.code if isinstance(found.code, str) else None
        message, kind = found.message or "it gave no reason", found.type or code or "api_error"
    return UpstreamError(
        f"the upstream answered {status}: {message}",
        upstream_status=status,
        upstream_kind=kind,
        retry_after_seconds=retry_after_seconds(headers),
        started=found is None and status in {500, 502, 504},
    )


def failed(message: str, *, kind: str | None = None, code: str | int | None = None) -> Failed:
    """An error object as an event. A numeric `code` is a status (llama.cpp, OpenRouter)."""
    if isinstance(code, int) and 400 <= code <= 599:
        status = code
    else:
        status = _STATUS_BY_KIND.get(kind or "", _STATUS_BY_KIND.get(str(code), 502))
    text = shortened(message) or "the upstream reported an error without a message"
    return Failed(text, kind or "api_error", status)


class PromptDetails(msgspec.Struct):
    """What is known of the prompt tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    """What is known of the completion tokens."""

    reasoning_tokens: int | None = None


class UsageIn(msgspec.Struct):
    """The usage object; servers leave out what they do not count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def neutral(self, service_tier: object = None) -> Usage:
        """Every figure alone: OpenAI counts cached tokens inside `prompt_tokens`."""
        prompt = self.prompt_tokens_details
        written = (prompt and prompt.cache_write_tokens) or 0
        read = (prompt and prompt.cached_tokens) or 0
        details = self.completion_tokens_details
        return Usage(
            input_tokens=max(0, (self.prompt_tokens or 0) - read - written),
            output_tokens=self.completion_tokens or 0,
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=(details and details.reasoning_tokens) or 0,
            mode=mode_of(service_tier),
        )


class TimingsIn(msgspec.Struct):
    """llama.cpp's own times, in milliseconds; `prompt_n` are the tokens it had not kept."""

    prompt_n: float = 0
    prompt_ms: float = 0
    predicted_n: float = 0
    predicted_ms: float = 0

    def neutral(self) -> Timing:
        """In tokens and seconds."""
        return Timing(
            int(self.prompt_n),
            self.prompt_ms / 1000,
            int(self.predicted_n),
            self.predicted_ms / 1000,
        )


class PromptProgressIn(msgspec.Struct):
    """How much of the prompt llama.cpp has read, where it was asked to tell."""

    total: int = 0
    processed: int = 0


_TIMINGS = msgspec.json.Decoder(TimingsIn)
_PROMPT_PROGRESS = msgspec.json.Decoder(PromptProgressIn)


class AnswerIn(msgspec.Struct):
    """A chunk or a whole answer, without what is in it.

    `object` and `message` are read for vLLM's form of an error.
    """

    id: str | None = None
    model: str | None = None
    usage: UsageIn | None = None
    service_tier: Any = None
    # Read late: in another server's answers they may be anything.
    timings: msgspec.Raw = msgspec.Raw()
    prompt_progress: msgspec.Raw = msgspec.Raw()
    error: ErrorFields | str | None = None
    object: str | None = None
    message: str | None = None

    def metered(self) -> Usage | None:
        """What was used, where the server says so."""
        return None if self.usage is None else self.usage.neutral(self.service_tier)

    def failure(self) -> Failed | None:
        """The error this object is, if it is one."""
        if self.error is None:
            return failed(self.message or "") if self.object == "error" else None
        if isinstance(self.error, str):
            return failed(self.error)
        return failed(self.error.message, kind=self.error.type, code=self.error.code)

    def timing(self) -> Timing | None:
        """How long it took, where the server says so."""
        if not self.timings:
            return None
        try:
            return _TIMINGS.decode(self.timings).neutral()
        except (msgspec.MsgspecError, OverflowError, ValueError):
            return None

    def progress(self) -> Progress | None:
        """How far the prompt is read, where the server says so."""
        if not self.prompt_progress:
            return None
        try:
            told = _PROMPT_PROGRESS.decode(self.prompt_progress)
        except msgspec.MsgspecError:
            return None
        return Progress(told.processed, told.total)

    def check(self) -> None:
        """Raise `UpstreamError` if it is an error, under whatever status."""
        failure = self.failure()
        if failure is not None:
            raise UpstreamError(
                failure.message,
                upstream_status=failure.status,
                upstream_kind=failure.kind,
                started=True,
            )


class ChoiceIn(msgspec.Struct):
    """How a choice ended."""

    finish_reason: str | None = None
    stop_reason: str | int | None = None  # vLLM: the sequence or the token it stopped at
    matched_stop: str | int | None = None  # SGLang's name for the same

    @property
    def stop_sequence(self) -> str:
        """The text it stopped at, empty for a token or for none."""
        for found in (self.stop_reason, self.matched_stop):
            if isinstance(found, str):
                return found
        return ""


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's arithmetic: cached tokens are a part of `prompt_tokens`."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def set_stream(fields: dict[str, msgspec.Raw], stream: bool) -> None:
    """Ask for a stream or not. A stream always tells its usage, because the ledger needs it;
    `stream_options` is refused by OpenAI where there is no stream, so it goes with it.
    """
    options = fields.pop("stream_options", None)
    fields["stream"] = _TRUE if stream else _FALSE
    if stream:
        known = read_client_json(_STREAM_OPTIONS, bytes(options)) if options is not None else None
        fields["stream_options"] = msgspec.Raw(_encode({**(known or {}), "include_usage": _TRUE}))


def progress(comment: bytes) -> Progress:
    """mlx-lm says `keepalive done/total` in prompt tokens; any other comment is a sign of life."""
    found = _KEEPALIVE.search(comment)
    return Progress(int(found[1]), int(found[2])) if found else Progress()


def again(sse: SseEvent) -> bytes:
    """An event as it came, for a client of the same dialect."""
    if sse.comment is not None:
        return encode_comment(sse.comment.decode("utf-8", "replace"))
    return encode(sse.data, sse.event)
