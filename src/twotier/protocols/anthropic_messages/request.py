"""The head of a Messages request, and its body made ready for an upstream (relay).

Only what routing needs is read, in one pass; the body stays bytes. A relay replaces single fields
of the top-level object and copies every other one byte for byte. Towards Anthropic it takes out
what a local model left in the history and the API would refuse (`history`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from twotier.domain.message import NOTHING_PASSED, Dialect, Passed, Request
from twotier.domain.price import PLAIN, Asked
from twotier.errors import RequestError, ThreadError
from twotier.protocols.anthropic_messages.asked import NULL, HeadTool, read_asked
from twotier.protocols.anthropic_messages.history import mend
from twotier.protocols.wire import (
    HEAD_TEXT_CHARS_MAX,
    PAGES_MAX,
    Outgoing,
    pages_at_most,
    read_client_json,
)

# Blocks that imitations of the API leave out in silence (llama.cpp's, read in November 2026).
_DROPPED = frozenset({"document", "search_result", "tool_reference"})
_ALWAYS_KEPT = frozenset({"model", "messages", "system", "max_tokens", "stream"})


class _Source(msgspec.Struct):
    type: str = ""
    data: str = ""
    content: str | list[_Block] | None = None


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    source: _Source | str | None = None
    content: str | list[_Block] | dict[str, Any] | None = None


class _HeadChoice(msgspec.Struct):
    type: str = ""


class _HeadOutput(msgspec.Struct):
    format: dict[str, msgspec.Raw] | None = None


class _HeadMessage(msgspec.Struct):
    role: str
    content: str | list[_Block]


class _Head(msgspec.Struct):
    messages: list[_HeadMessage]
    model: str = ""
    stream: bool | None = None
    max_tokens: int | None = None
    tools: list[HeadTool] | None = None
    tool_choice: _HeadChoice | None = None
    output_config: _HeadOutput | None = None
    output_format: dict[str, msgspec.Raw] | None = None
    mcp_servers: list[msgspec.Raw] | None = None
    speed: msgspec.Raw = NULL
    inference_geo: msgspec.Raw = NULL
    context_management: msgspec.Raw = NULL
    thread: dict[str, msgspec.Raw] | None = None


_HEAD = msgspec.json.Decoder(_Head)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRUE, _FALSE = msgspec.Raw(b"true"), msgspec.Raw(b"false")
_encode = msgspec.json.Encoder().encode


def read_request(body: bytes, passed: Passed = NOTHING_PASSED) -> Request:
    """The head of `body`. Raises `RequestError` that names the field which is wrong."""
    head = read_client_json(_HEAD, body)
    if head.max_tokens is not None and head.max_tokens < 1:
        raise RequestError("max_tokens: must be 1 or more; leave it out for the tier's default")
    asked = read_asked(
        head.tools or (),
        servers=bool(head.mcp_servers),
        said={
            "speed": head.speed,
            "inference_geo": head.inference_geo,
            "context_management": head.context_management,
        },
    )
    return _request(body, head, dialect="anthropic_messages", passed=passed, asked=asked)


def read_count(body: bytes, passed: Passed = NOTHING_PASSED) -> Request:
    """The head of a body whose tokens are to be counted. Raises as `read_request`."""
    head = read_client_json(_HEAD, body)
    head.stream = head.max_tokens = None  # nothing will be written
    return _request(body, head, dialect="anthropic_count", passed=passed)


def _exacting(head: _Head) -> bool:
    """Whether its settings say what imitations of the API drop: llama.cpp's, read in November 2026,
    knows no choice but auto and any, and makes functions of Anthropic's own tools.
    """
    return (
        (head.tool_choice is not None and head.tool_choice.type in ("none", "tool"))
        or (head.output_config is not None and head.output_config.format is not None)
        or head.output_format is not None
        or bool(head.mcp_servers)
        or any(tool.type not in (None, "custom") for tool in head.tools or ())
    )


class _Seen:
    """What stands beside the text: counted block by block, in one walk."""

    def __init__(self, messages: Iterable[_HeadMessage]) -> None:
        self.images = 0
        self.document_pages = 0
        self.inline_bytes = 0
        self.exacting = False
        for message in messages:
            if not isinstance(message.content, str):
                self._walk(message.content)
        self.document_pages = min(self.document_pages, PAGES_MAX)

    def _walk(self, blocks: list[_Block]) -> None:
        """Those inside tool results and documents of blocks included."""
        for block in blocks:
            kind = block.type
            if kind == "tool_result":
                if isinstance(block.content, list):
                    self._walk(block.content)
            elif kind == "image":
                self.images += 1
                if isinstance(block.source, _Source):
                    self.inline_bytes += len(block.source.data)
            elif kind in _DROPPED:
                self.exacting = True
                if isinstance(block.source, _Source):
                    self._document(block.source)

    def _document(self, source: _Source) -> None:
        if isinstance(source.content, list):
            self._walk(source.content)
        elif source.type == "base64":
            self.inline_bytes += len(source.data)
            self.document_pages += pages_at_most(source.data)
        elif source.type not in ("text", "content"):
            self.document_pages += PAGES_MAX


def _request(
    body: bytes, head: _Head, *, dialect: Dialect, passed: Passed, asked: Asked = PLAIN
) -> Request:
    if not head.messages:
        raise RequestError("messages: is empty; send at least one message")
    if head.thread is not None:
        raise ThreadError("thread: send the whole conversation instead, each tier needs all of it")
    seen = _Seen(head.messages)
    return Request(
        dialect=dialect,
        body=body,
        model=head.model,
        stream=bool(head.stream),
        max_output_tokens=head.max_tokens,
        tools=len(head.tools or ()),
        images=seen.images,
        document_pages=seen.document_pages,
        text_bytes=len(body) - seen.inline_bytes,
        head_text=_last_user_text(head.messages),
        exacting=dialect == "anthropic_messages" and (seen.exacting or _exacting(head)),
        passed=passed,
        asked=asked,
    )


def _last_user_text(messages: list[_HeadMessage]) -> str:
    """The beginning of the last user message that has text; results of tools are no such text."""
    for message in reversed(messages):
        if message.role != "user":
            continue
        content = message.content
        text = content if isinstance(content, str) else "\n".join(_texts(content))
        if text:
            return text[:HEAD_TEXT_CHARS_MAX]
    return ""


def _texts(blocks: Iterable[_Block]) -> Iterator[str]:
    return (block.text for block in blocks if block.text)


def rewrite(
    request: Request,
    *,
    model: str,
    max_output_tokens: int,
    stream: bool,
    keep: frozenset[str] | None = None,
) -> Outgoing:
    """The body for an upstream of the same dialect; `unsaid` names the fields that `keep` lacks.

    `keep` is the allow-list of a local server, None to forward everything: then it is the API
    itself that is asked. `stream` may differ from the client's wish.
    """
    fields = read_client_json(_FIELDS, request.body)
    fields["max_tokens"] = msgspec.Raw(b"%d" % max_output_tokens)
    fields["stream"] = _TRUE if stream else _FALSE
    return _outgoing(fields, model=model, keep=keep)


def rewrite_count(
    request: Request,
    *,
    model: str,
    max_output_tokens: int,  # noqa: ARG001 - the seam's; nothing is written
    stream: bool,  # noqa: ARG001 - the seam's
    keep: frozenset[str] | None = None,
) -> Outgoing:
    """The body for an upstream that counts: as `rewrite`, but for what an answer needs."""
    return _outgoing(read_client_json(_FIELDS, request.body), model=model, keep=keep)


def _outgoing(
    fields: dict[str, msgspec.Raw], *, model: str, keep: frozenset[str] | None
) -> Outgoing:
    fields["model"] = msgspec.Raw(_encode(model))
    if keep is None:
        unsaid = mend(fields)
    else:
        unsaid = sorted(fields.keys() - keep - _ALWAYS_KEPT)
        for name in unsaid:
            del fields[name]
    return Outgoing(_encode(fields), tuple(unsaid))
