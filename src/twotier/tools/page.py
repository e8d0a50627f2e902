"""What came back from an address: status, headers, body, and what they say of each other."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from twotier.errors import ReachError

CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
XML = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]+)")
HEAD_BYTES = 2_048
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NOT_MODIFIED = 304
RETRY_AFTER_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. Header names are in lower case; `body` is unpacked; `url` is where it came from
    in the end, redirects followed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def is_unchanged(self) -> bool:
        """Whether the other side says that it is still what it was."""
        return self.status == NOT_MODIFIED

    @property
    def content_type(self) -> str:
        """`text/html`, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text: by its mark, its header, its own first lines, else UTF-8."""
        return self.body.decode(encoding_of(self), errors="replace")

    @property
    def validators(self) -> dict[str, str]:
        """What to send next time to hear only of a change; see `conditional`."""
        return conditional(
            etag=self.headers.get("etag", ""), modified=self.headers.get("last-modified", "")
        )

    def expect_ok(self) -> Page:
        """The page, if its status says that it is one (2xx or 304). Raises `ReachError`."""
        if 200 <= self.status < 300 or self.is_unchanged:
            return self
        after = self.headers.get("retry-after", "")
        wait = float(after) if after.isdecimal() and len(after) < RETRY_AFTER_DIGITS else None
        raise ReachError(
            f"{host_in(self.url)} answered with status {self.status}",
            page_status=self.status,
            retry_after_seconds=wait,
        )


def conditional(*, etag: str = "", modified: str = "") -> dict[str, str]:
    """Headers that ask for a page only if it is not the one with this ETag or date."""
    found = {"if-none-match": etag, "if-modified-since": modified}
    return {name: value for name, value in found.items() if value}


def encoding_of(page: Page) -> str:
    """The name of an encoding that Python knows and that turns bytes into text."""
    head = page.body[:HEAD_BYTES]
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    header = CHARSET.search(page.headers.get("content-type", ""))
    inside = XML.search(head) or META.search(head)
    for found in (header.group(1) if header else "", inside.group(1).decode() if inside else ""):
        if known := text_encoding(found):
            return known
    return "utf-8"


def text_encoding(name: str) -> str:
    """The encoding's name, empty where there is none such; `hex` and `zip` make no text."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return ""
    return name


def host_in(url: str) -> str:
    """The host part of an address that has been asked."""
    return url.partition("://")[2].partition("/")[0]
