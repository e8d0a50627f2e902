"""The parts of which messages and tools' answers are made."""

from __future__ import annotations

import msgspec

from twotier.domain.message import Cache, Document, Image, Text
from twotier.errors import RequestError
from twotier.protocols.openai_files import read_file_data
from twotier.protocols.wire import media_type_and_data

# Four names of one thing: what was said to the model, by it, and by clients of the other dialect.
_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})


class BreakpointIn(msgspec.Struct):
    """The end of a prefix to be cached."""

    ttl: str | None = None


class PartIn(msgspec.Struct):
    """A part of any type."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    prompt_cache_breakpoint: BreakpointIn | None = None

    @property
    def cache(self) -> Cache:
        """OpenAI's lives are 30 minutes and 12 hours, and a default; Anthropic's 5 minutes and 1
        hour. Who named a long one gets the longer.
        """
        if self.prompt_cache_breakpoint is None:
            return ""
        return "1h" if self.prompt_cache_breakpoint.ttl else "5m"


def read_parts(given: str | list[PartIn] | None, where: str) -> tuple[Text | Image | Document, ...]:
    """The parts in neutral form. Raises `RequestError` that names the one which is wrong."""
    if isinstance(given, str):
        return (Text(given),)
    return tuple(_part(part, f"{where}[{at}]") for at, part in enumerate(given or ()))


def _part(part: PartIn, where: str) -> Text | Image | Document:
    if part.type in _TEXTS and part.text is not None:
        return Text(part.text, part.cache)
    if part.type == "refusal" and part.refusal is not None:
        return Text(part.refusal)
    if part.type == "input_image":
        return _image(part, where)
    if part.type == "input_file":
        return _file(part, where)
    raise RequestError(f"{where}: a part of type {part.type!r} cannot be sent to this model")


def _image(part: PartIn, where: str) -> Image:
    url, detail = part.image_url or "", part.detail or ""
    inline = media_type_and_data(url)
    if inline is not None:
        return Image(media_type=inline[0], data=inline[1], detail=detail, cache=part.cache)
    if url.startswith(("https://", "http://")):
        return Image(url=url, detail=detail, cache=part.cache)
    if part.file_id and not url:
        raise RequestError(f"{where}.file_id: files are not kept here; send it as image_url")
    raise RequestError(f"{where}.image_url: give an http(s) URL or a base64 data URL")


def _file(part: PartIn, where: str) -> Document:
    name, url = part.filename or "", part.file_url or ""
    if part.file_data:
        return read_file_data(part.file_data, name, where=where, cache=part.cache)
    if url.startswith(("https://", "http://")):
        return Document(name, url=url, cache=part.cache)
    if part.file_id:
        raise RequestError(f"{where}.file_id: files are not kept here; send it as file_data")
    raise RequestError(f"{where}: send a file as file_data (a data URL) or file_url")
