"""The head of a Chat Completions request, and its body made ready for an upstream (relay).

Only what routing needs is read; the body stays bytes. A relay replaces single fields of the
top-level object and copies every other one byte for byte, so that nothing a client sends (fields we
never heard of included) is lost or reformatted on the way.
"""

from __future__ import annotations

import msgspec

from twotier.domain.message import NOTHING_PASSED, Passed, Request
from twotier.domain.price import STANDARD, Asked
from twotier.errors import RequestError
from twotier.protocols.asked import SEARCH_TOKENS_MAX, UNDECIDED, mode_of, plain
from twotier.protocols.openai_chat.glance import NOTHING, Turn, in_parts
from twotier.protocols.openai_wire import FIELDS, NULL, set_stream
from twotier.protocols.wire import (
    HEAD_TEXT_CHARS_MAX,
    PAGES_MAX,
    Outgoing,
    pages_at_most,
    read_client_json,
)

_ALWAYS_KEPT = frozenset({"model", "messages", "max_tokens", "stream", "stream_options"})


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Head(msgspec.Struct):
    messages: list[Turn]
    model: str = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    tools: list[msgspec.Raw] | None = None
    n: int | None = None
    service_tier: msgspec.Raw = NULL
    web_search_options: msgspec.Raw = NULL


class _ImageUrl(msgspec.Struct):
    url: str = ""


class _File(msgspec.Struct):
    file_data: str | None = None


class _HeadPart(msgspec.Struct):
    type: str = ""
    text: str | None = None
    image_url: _ImageUrl | None = None
    file: _File | None = None


_HEAD = msgspec.json.Decoder(_Head)
_PARTS = msgspec.json.Decoder(list[_HeadPart])
_TEXT = msgspec.json.Decoder(str | None)
_PDF = ("data:application/pdf", "JVBERi")  # the second is how every one begins in base64
_encode = msgspec.json.Encoder().encode


def read_request(body: bytes, passed: Passed = NOTHING_PASSED) -> Request:
    """The head of `body`. Raises `RequestError` that names the field which is wrong."""
    head = read_client_json(_HEAD, body)
    if not head.messages:
        raise RequestError("messages: is empty; send at least one message")
    if head.n is not None and head.n != 1:
        raise RequestError("n: only 1 is possible; send one request for each answer you want")
    limit = head.max_completion_tokens if head.max_tokens is None else head.max_tokens
    if limit is not None and limit < 1:
        raise RequestError("max_tokens: must be 1 or more; leave it out for the tier's default")
    images, pages, inline_bytes = _attached(head.messages)
    return Request(
        dialect="openai_chat",
        body=body,
        model=head.model,
        stream=bool(head.stream),
        max_output_tokens=limit,
        tools=len(head.tools or ()),
        images=images,
        document_pages=pages,
        text_bytes=len(body) - inline_bytes,
        head_text=_last_user_text(head.messages),
        include_usage=bool(head.stream_options and head.stream_options.include_usage),
        passed=passed,
        turns=head.messages,
        asked=UNDECIDED if _undecided(head) else _asked(head),
    )


def _undecided(head: _Head) -> bool:
    """Nearly all requests say nothing of this."""
    return head.service_tier == head.web_search_options == NULL


def _asked(head: _Head) -> Asked:
    """What it may cost beside its tokens. A model that searches does so once, and no answer counts
    it.
    """
    mode = mode_of(plain(head.service_tier))
    searches = head.web_search_options != NULL
    return Asked(
        mode="" if mode == STANDARD else mode,
        maybe=() if mode else UNDECIDED.maybe,
        always=(("web_search", 1),) if searches else (),
        turns=2 if searches else 1,
        brought_tokens=SEARCH_TOKENS_MAX if searches else 0,
    )


def _parts(content: msgspec.Raw) -> list[_HeadPart]:
    return read_client_json(_PARTS, bytes(content))


def _attached(messages: list[Turn]) -> tuple[int, int, int]:
    """How many images there are and at most pages of files, and the bytes of those inline.

    A file that is text stays with the text.
    """
    urls: list[str] = []
    files: list[str] = []
    for message in messages:
        if not in_parts(message):
            continue
        for part in _parts(message.content):
            if part.image_url is not None:
                urls.append(part.image_url.url)
            elif part.file is not None:
                files.append(part.file.file_data or "")
    if not (urls or files):
        return 0, 0, 0
    inline = [url for url in urls if url.startswith("data:")]
    inline += [data for data in files if data.startswith(_PDF)]
    unread = [data for data in files if not data or data.startswith((*_PDF, "http"))]
    pages = sum(pages_at_most("" if data.startswith("http") else data) for data in unread)
    return len(urls), min(pages, PAGES_MAX), sum(map(len, inline))


def _last_user_text(messages: list[Turn]) -> str:
    """The beginning of the last user message that has text."""
    for message in reversed(messages):
        if message.role != "user" or message.content is NOTHING:
            continue
        if in_parts(message):
            texts = [part.text for part in _parts(message.content) if part.text]
            text = "\n".join(texts)
        else:
            text = read_client_json(_TEXT, bytes(message.content)) or ""
        if text:
            return text[:HEAD_TEXT_CHARS_MAX]
    return ""


def rewrite(
    request: Request,
    *,
    model: str,
    max_output_tokens: int,
    stream: bool,
    keep: frozenset[str] | None = None,
) -> Outgoing:
    """The body for an upstream of the same dialect; `unsaid` names the fields that `keep` lacks.

    `keep` is the allow-list of a local server, None to forward everything; such servers stumble
    over `null`, which says no more than a field that is not there. `max_output_tokens` is
    written to whichever of `max_tokens` and `max_completion_tokens` the client used, unless the
    server knows only the first. `stream` may differ from the client's wish; a stream always asks
    for usage, because the ledger needs it.
    """
    fields, unsaid = rewritten(
        request, model=model, max_output_tokens=max_output_tokens, stream=stream, keep=keep
    )
    return Outgoing(_encode(fields), unsaid)


def rewritten(
    request: Request,
    *,
    model: str,
    max_output_tokens: int,
    stream: bool,
    keep: frozenset[str] | None = None,
) -> tuple[dict[str, msgspec.Raw], tuple[str, ...]]:
    """The fields of that body, and what `keep` lacks."""
    fields = read_client_json(FIELDS, request.body)
    if keep is not None:
        fields = {name: raw for name, raw in fields.items() if raw != NULL}
    limit = msgspec.Raw(b"%d" % max_output_tokens)
    if "max_completion_tokens" in fields:
        if keep is None or "max_completion_tokens" in keep:
            fields["max_completion_tokens"] = limit
        else:
            del fields["max_completion_tokens"]
            fields["max_tokens"] = limit
    if "max_tokens" in fields or "max_completion_tokens" not in fields:
        fields["max_tokens"] = limit
    fields["model"] = msgspec.Raw(_encode(model))
    set_stream(fields, stream)
    unsaid = () if keep is None else tuple(fields.keys() - keep - _ALWAYS_KEPT)
    for name in unsaid:
        del fields[name]
    return fields, tuple(sorted(unsaid))
