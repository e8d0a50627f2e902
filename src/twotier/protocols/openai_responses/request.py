"""The head of a Responses request, and its body made ready for an upstream (relay).

Only what routing needs is read; the body stays bytes. A relay replaces single fields of the
top-level object and copies every other one byte for byte. What would need an answer that somebody
kept is refused here, before anything is asked: we keep none.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from twotier.domain.message import NOTHING_PASSED, Passed, Request
from twotier.errors import RequestError
from twotier.protocols.asked import plain
from twotier.protocols.openai_files import PDF_STARTS
from twotier.protocols.openai_responses.asked import HOSTED_CALLS_DEFAULT, read_asked
from twotier.protocols.wire import (
    HEAD_TEXT_CHARS_MAX,
    PAGES_MAX,
    Outgoing,
    pages_at_most,
    read_client_json,
)

# Tools that imitations of the API leave out in silence: they know functions.
_DROPPED = frozenset({"custom", "namespace"})
_ALWAYS_KEPT = frozenset({"model", "input", "max_output_tokens", "stream"})
_KEPT_NOWHERE = "no answers are kept here; send the whole conversation in `input`"
_REFUSED = {
    "previous_response_id": _KEPT_NOWHERE,
    "conversation": _KEPT_NOWHERE,
    "background": "no answers are kept here to be fetched later; use `stream` instead",
    "prompt": "prompt templates are not kept here; send their text in `instructions` and `input`",
}
_SAYS_NOTHING = frozenset({b"null", b"false"})


class _HeadItem(msgspec.Struct):
    type: str | None = None
    role: str | None = None
    content: msgspec.Raw = msgspec.Raw(b"null")
    output: msgspec.Raw = msgspec.Raw(b"null")


class _HeadTool(msgspec.Struct):
    type: str | None = None


class _HeadFormat(msgspec.Struct):
    type: str | None = None


class _HeadWords(msgspec.Struct):
    format: _HeadFormat | None = None


class _Head(msgspec.Struct):
    input: str | list[_HeadItem] | None = None
    model: str = ""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    tools: list[_HeadTool] | None = None
    service_tier: msgspec.Raw = msgspec.Raw(b"null")
    max_tool_calls: int | None = None
    text: _HeadWords | None = None
    previous_response_id: msgspec.Raw = msgspec.Raw(b"null")
    conversation: msgspec.Raw = msgspec.Raw(b"null")
    background: msgspec.Raw = msgspec.Raw(b"null")
    prompt: msgspec.Raw = msgspec.Raw(b"null")


class _HeadPart(msgspec.Struct):
    type: str = ""
    text: str | None = None
    image_url: str | None = None
    file_data: str | None = None


_HEAD = msgspec.json.Decoder(_Head)
_PARTS = msgspec.json.Decoder(list[_HeadPart])
_TEXT = msgspec.json.Decoder(str | None)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = ord("[")
_encode = msgspec.json.Encoder().encode


def _exacting(head: _Head) -> bool:
    """Whether it says what imitations of the API drop, or has a form that has to be checked."""
    form = None if head.text is None else head.text.format
    formed = form is not None and form.type not in (None, "text")
    return formed or any(tool.type in _DROPPED for tool in head.tools or ())


def read_request(body: bytes, passed: Passed = NOTHING_PASSED) -> Request:
    """The head of `body`. Raises `RequestError` that names the field which is wrong."""
    head = read_client_json(_HEAD, body)
    for name, instead in _REFUSED.items():
        if bytes(getattr(head, name)) not in _SAYS_NOTHING:
            raise RequestError(f"{name}: {instead}")
    if not head.input:
        raise RequestError("input: is missing or empty; send a text or a list of items")
    limit = head.max_output_tokens
    if limit is not None and limit < 1:
        raise RequestError("max_output_tokens: must be 1 or more; leave it out for the default")
    items = [] if isinstance(head.input, str) else head.input
    parts = [part for item in items for part in _parts(item)]
    images = [part.image_url for part in parts if part.image_url]
    # A file that is text stays with the text.
    files = [part.file_data or "" for part in parts if part.type == "input_file"]
    files = [data for data in files if not data or data.startswith(PDF_STARTS)]
    inline = [data for data in images if data.startswith("data:")]
    pages = sum(map(pages_at_most, files))
    return Request(
        dialect="openai_responses",
        body=body,
        model=head.model,
        stream=bool(head.stream),
        include_usage=True,  # this dialect's last event always has it
        max_output_tokens=limit,
        tools=len(head.tools or ()),
        images=len(images),
        document_pages=min(pages, PAGES_MAX),
        text_bytes=len(body) - sum(map(len, (*inline, *files))),
        head_text=_last_user_text(head.input),
        exacting=_exacting(head),
        passed=passed,
        asked=read_asked(
            (tool.type for tool in head.tools or ()),
            service_tier=plain(head.service_tier),
            calls_max=head.max_tool_calls,
        ),
    )


def _parts(item: _HeadItem) -> Iterator[_HeadPart]:
    """The parts of a message, or of a tool's answer."""
    for raw in (item.content, item.output):
        if memoryview(raw)[0] == _LIST:
            yield from read_client_json(_PARTS, bytes(raw))


def _last_user_text(given: str | list[_HeadItem]) -> str:
    """The beginning of the last user message that has text."""
    if isinstance(given, str):
        return given[:HEAD_TEXT_CHARS_MAX]
    for item in reversed(given):
        if item.role != "user":
            continue
        if memoryview(item.content)[0] == _LIST:
            text = "\n".join(part.text for part in _parts(item) if part.text)
        else:
            text = read_client_json(_TEXT, bytes(item.content)) or ""
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

    `keep` is the allow-list of a local server, None to forward everything.
    """
    fields = read_client_json(_FIELDS, request.body)
    fields["model"] = msgspec.Raw(_encode(model))
    fields["max_output_tokens"] = msgspec.Raw(b"%d" % max_output_tokens)
    fields["stream"] = msgspec.Raw(b"true" if stream else b"false")
    if not stream:
        fields.pop("stream_options", None)  # refused where there is no stream
    if keep is None and "max_tool_calls" not in fields and request.asked.turns > 1:
        fields["max_tool_calls"] = msgspec.Raw(b"%d" % HOSTED_CALLS_DEFAULT)
    unsaid = () if keep is None else tuple(sorted(fields.keys() - keep - _ALWAYS_KEPT))
    for name in unsaid:
        del fields[name]
    return Outgoing(_encode(fields), unsaid)
