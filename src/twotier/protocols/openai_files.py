"""Documents as OpenAI's dialects send them: the `file_data` of a part, read and written."""

from __future__ import annotations

import base64
import binascii

from twotier.domain.message import Cache, Document
from twotier.errors import RequestError, UnsayableError
from twotier.protocols.wire import media_type_and_data

PDF = "application/pdf"
# How one begins inline; the second is how every one begins in base64.
PDF_STARTS = (f"data:{PDF}", "JVBERi")
_BY_ENDING = {
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
}


def read_file_data(file_data: str, name: str, *, where: str, cache: Cache = "") -> Document:
    """A document sent inline, as a data URL or as base64 alone; texts are taken out of their
    base64. Raises `RequestError` that names the field.
    """
    kind, data = media_type_and_data(file_data) or (_kind(name), file_data)
    if kind == PDF:
        return Document(name, data=data, media_type=kind, cache=cache)
    if not (kind.startswith("text/") or kind == "application/json"):
        raise UnsayableError(f"{where}.file_data: {kind} cannot be sent to this model; use a PDF")
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise RequestError(f"{where}.file_data: is not UTF-8 text in base64") from exc
    return Document(name, text=text, media_type=kind, cache=cache)


def file_data(document: Document) -> str:
    """The data URL of a document that is not at a URL of its own."""
    if document.data:
        return f"data:{document.media_type or PDF};base64,{document.data}"
    data = base64.b64encode(document.text.encode("utf-8", "replace")).decode()
    return f"data:{document.media_type or 'text/plain'};base64,{data}"


def _kind(name: str) -> str:
    """What a file is, by the ending of its name; most are PDF."""
    return _BY_ENDING.get(name.rpartition(".")[2].lower(), PDF)
