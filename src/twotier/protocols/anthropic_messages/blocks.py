"""The content blocks of a Messages body, read into neutral parts.

Two rules for what no other dialect has a word for. What the model once wrote is history: it is left
out, and named in `unsaid`. What the client says now would be missing from the question: it is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from twotier.domain.message import (
    Cache,
    Document,
    Image,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from twotier.errors import RequestError, UnsayableError

_NO_INPUT = msgspec.Raw(b"{}")
_TYPE = re.compile(r"[a-z0-9_]{1,60}")


class CacheIn(msgspec.Struct):
    """A cache breakpoint."""

    ttl: str | None = None


class SourceIn(msgspec.Struct):
    """Where an image or a document comes from."""

    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: str | list[BlockIn] | None = None


class BlockIn(msgspec.Struct):
    """A content block of any kind; which fields count is said by `type`."""

    type: str
    text: str | None = None
    source: str | SourceIn | None = None
    title: str | None = None
    context: str | None = None
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = _NO_INPUT
    tool_use_id: str = ""
    tool_name: str = ""
    content: str | list[BlockIn] | dict[str, Any] | None = None
    is_error: bool | None = None
    cache_control: CacheIn | None = None
    citations: list[Any] | dict[str, Any] | None = None
    transformations: dict[str, Any] | None = None


class Blocks:
    """Reads blocks; what could not be said is in `unsaid`, tools found or called in `tools`."""

    def __init__(self, unsaid: set[str]) -> None:
        self.unsaid = unsaid
        self.tools: set[str] = set()

    def read(self, content: str | list[BlockIn], where: str, *, role: str) -> Iterator[Part]:
        """The parts of one message. `where` is its path, for errors."""
        if isinstance(content, str):
            yield Text(content)
            return
        for at, block in enumerate(content):
            place = f"{where}[{at}]"
            match block.type:
                case "thinking":
                    yield Reasoning(block.thinking, block.signature or "")
                case "redacted_thinking":
                    yield Reasoning("", hidden=block.data)
                case "tool_use":
                    self.tools.add(block.name)
                    yield _call(block, place)
                case "tool_result":
                    yield self._result(block, place)
                case _ if role == "assistant" and block.type not in _SHOWN:
                    yield from self._history(block)
                case _:
                    yield from self._shown(block, place)

    def _history(self, block: BlockIn) -> Iterator[Text]:
        """What a tool of Anthropic's own did, and other things only they can read."""
        if block.type == "compaction" and isinstance(block.content, str):
            yield Text(block.content)  # the summary that stands for everything before it
            return
        known = block.type if _TYPE.fullmatch(block.type) else "unknown"
        self.unsaid.add(f"messages[].content[].{known}")

    def _shown(self, block: BlockIn, where: str) -> Iterator[Text | Image | Document]:
        """What both a turn and a tool's result may show."""
        if block.citations:
            self.unsaid.add("messages[].content[].citations")
        match block:
            case BlockIn(type="text", text=str(text)):
                yield Text(text, cache(block.cache_control))
            case BlockIn(type="image", source=SourceIn() as source):
                if block.transformations:
                    self.unsaid.add("messages[].content[].transformations")
                yield _image(source, where, cache=cache(block.cache_control))
            case BlockIn(type="document", source=SourceIn() as source):
                yield from self._document(block, source, where=where)
            case BlockIn(type="search_result", source=str(source), content=list(content)):
                text = "\n".join(inner.text or "" for inner in content)
                head = f"Search result: {block.title or ''} ({source})"
                yield Text(f"{head}\n{text}", cache(block.cache_control))
            case BlockIn(type="tool_reference", tool_name=name) if name:
                # The client's own search found it: from here on it is offered.
                self.tools.add(name)
                yield Text(f"The tool {name} is there now.", cache(block.cache_control))
            case _:
                raise UnsayableError(
                    f"{where}: a block of type {block.type!r} cannot be sent to this model"
                )

    def _document(
        self, block: BlockIn, source: SourceIn, *, where: str
    ) -> Iterator[Text | Image | Document]:
        name, mark = block.title or "", cache(block.cache_control)
        if block.context:
            yield Text(block.context)
        match source:
            case SourceIn(type="base64", data=data) if data:
                yield Document(name, data=data, media_type=source.media_type, cache=mark)
            case SourceIn(type="url", url=url) if url:
                yield Document(name, url=url, cache=mark)
            case SourceIn(type="text"):
                yield Document(name, media_type="text/plain", text=source.data, cache=mark)
            case SourceIn(type="content", content=str(text)):
                yield Document(name, media_type="text/plain", text=text, cache=mark)
            case SourceIn(type="content", content=list(inner)):
                if name:
                    yield Text(name)
                yield from self._inside(inner, where)
            case _:
                raise UnsayableError(f"{where}.source: {_NO_FILES}")

    def _result(self, block: BlockIn, where: str) -> ToolResult:
        if not block.tool_use_id:
            raise RequestError(f"{where}.tool_use_id: is missing; name the call")
        match block.content:
            case None:
                parts: tuple[Text | Image | Document, ...] = ()
            case str(text):
                parts = (Text(text),)
            case list(inner):
                parts = tuple(self._inside(inner, where))
            case _:
                raise RequestError(f"{where}.content: give a text or a list of blocks")
        mark = cache(block.cache_control)
        return ToolResult(block.tool_use_id, parts, bool(block.is_error), mark)

    def _inside(self, blocks: Iterable[BlockIn], where: str) -> Iterator[Text | Image | Document]:
        for at, block in enumerate(blocks):
            yield from self._shown(block, f"{where}.content[{at}]")


_SHOWN = frozenset({"text", "image", "document", "search_result"})
_NO_FILES = "give base64 data, a url or a text; files of the Files API cannot be read from here"


def cache(given: CacheIn | None) -> Cache:
    """The life of a breakpoint; five minutes where it says nothing."""
    if given is None:
        return ""
    return "1h" if given.ttl == "1h" else "5m"


def _image(source: SourceIn, where: str, *, cache: Cache) -> Image:
    if source.type == "base64" and source.data:
        return Image(data=source.data, media_type=source.media_type, cache=cache)
    if source.type == "url" and source.url:
        return Image(url=source.url, cache=cache)
    raise UnsayableError(f"{where}.source: {_NO_FILES}")


def _call(block: BlockIn, where: str) -> ToolCall:
    arguments = bytes(block.input).decode()
    if not arguments.startswith("{"):
        raise RequestError(f"{where}.input: must be an object")
    return ToolCall(block.id, block.name, arguments, cache=cache(block.cache_control))
