"""A mail as it lies on a server, read into a letter. Pure, and never surprised by what it reads.

Anybody can send anything: broken encodings, parts in parts in parts, headers without end, text that
hides. So little of the standard library is trusted with it, and everything has a limit. Text is
preferred to HTML, attachments are named and never opened.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from email import message_from_bytes
from email.message import Message
from email.utils import parsedate_to_datetime

from twotier.watch.cut import cut, one_line
from twotier.watch.html_text import html_text
from twotier.watch.visible import visible

HEADER_CHARACTERS_MAX = 500
HEADER_BYTES_MAX = 8_000  # of one header, before it is decoded
NESTED_MAX = 40  # parts that hold parts; more is an attack, and would take minutes to parse
PARTS_MAX = 200
ATTACHMENTS_SHOWN = 20
NESTS = re.compile(rb"multipart/|message/rfc822", re.IGNORECASE)
WORD = re.compile(
    r"=\?([\w.:-]{1,40})(?:\*[\w-]{0,20})?\?([bq])\?([^?\s]{0,2000})\?=", re.IGNORECASE
)
BETWEEN_WORDS = re.compile(r"\?=\s+=\?")
CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
# What the standard library raises on headers nobody should send.
ODD = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says. `sent` is when it claims to be written, ISO 8601 in UTC, empty where that
    cannot be read. `bytes_cut` of the text were left out.
    """

    subject: str
    sender: str
    to: str
    sent: str
    text: str
    attachments: tuple[str, ...] = ()
    bytes_cut: int = 0

    @property
    def shown(self) -> str:
        """As a reader gets it: the headers that matter, the text, what is attached."""
        lines = [f"From: {self.sender}", f"To: {self.to}", f"Date: {self.sent}"]
        lines += [f"Subject: {self.subject}", "", self.text]
        if self.attachments:
            lines += ["", f"Attached, not opened: {', '.join(self.attachments)}"]
        return "\n".join(lines)


def letter_of(raw: bytes, *, text_bytes_max: int) -> Letter:
    """The letter in a mail, which may have been cut anywhere."""
    message = parsed(raw)
    text, attachments = contents(message)
    shown, left_out = cut(visible(text).strip(), bytes_max=text_bytes_max)
    return Letter(
        subject=header(message, "subject") or "(no subject)",
        sender=header(message, "from"),
        to=header(message, "to"),
        sent=sent(message),
        text=shown,
        attachments=attachments,
        bytes_cut=left_out,
    )


def parsed(raw: bytes) -> Message:
    """The mail as parts. One with too many of them is taken as its headers alone."""
    if len(NESTS.findall(raw)) > NESTED_MAX:
        head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
        raw = (
            NESTS.sub(b"text/plain; was=", head)
            + b"\r\n\r\n(its parts are nested too deep to be read)"
        )
    return message_from_bytes(raw)


def contents(message: Message) -> tuple[str, tuple[str, ...]]:
    """Its text, HTML only where there is no other, and the names of what is attached."""
    plain: list[str] = []
    html: list[str] = []
    attached: list[str] = []
    for part in leaves(message):
        kind = part.get_content_type()
        if is_attached(part) or kind not in ("text/plain", "text/html"):
            attached.append(f"{filename(part) or 'without a name'} ({kind[:60]})")
        elif kind == "text/plain":
            plain.append(decoded(part))
        else:
            html.append(decoded(part))
    text = "\n\n".join(one for one in plain if one.strip())
    text = text or "\n\n".join(html_text(one) for one in html)
    more = len(attached) - ATTACHMENTS_SHOWN
    shown = attached[:ATTACHMENTS_SHOWN] + ([f"and {more} more"] if more > 0 else [])
    return text, tuple(shown)


def leaves(message: Message) -> Iterator[Message]:
    """Parts that hold no parts, in their order. A mail that is attached is one of them."""
    waiting, count = [message], 0
    while waiting and count < PARTS_MAX:
        part = waiting.pop()
        is_mail = part.get_content_maintype() == "message" and part is not message
        inside = part.get_payload() if part.is_multipart() and not is_mail else None
        if isinstance(inside, list):
            waiting += [one for one in reversed(inside) if isinstance(one, Message)]
        else:
            count += 1
            yield part


def is_attached(part: Message) -> bool:
    """Whether its sender means it as a file."""
    said = visible(str(part.get("content-disposition", "")))[:HEADER_BYTES_MAX]
    return said.strip().lower().startswith("attachment") or part.get_content_maintype() == "message"


def filename(part: Message) -> str:
    """What an attachment is called, as one visible line without a path."""
    try:
        found = part.get_filename() or ""
    except ODD:
        found = ""
    return one_line(visible(words(found[:HEADER_BYTES_MAX]))).replace("\\", "/").rpartition("/")[2]


def decoded(part: Message) -> str:
    """The text of a part; what cannot be decoded is shown as U+FFFD."""
    charset = CHARSET.search(visible(str(part.get("content-type", "")))[:HEADER_BYTES_MAX])
    payload = part.get_payload(decode=True)  # without `decode` it trips over odd encodings
    raw = payload if isinstance(payload, bytes) else b""
    return in_charset(raw, charset.group(1) if charset else "utf-8")


def header(message: Message, name: str) -> str:
    """A header as one visible line, encoded words decoded, not longer than a line should be."""
    for key, value in message.raw_items():
        if key.lower() == name:
            plain = str(value)[:HEADER_BYTES_MAX].encode("utf-8", "surrogateescape")
            shown = words(plain.decode("utf-8", errors="replace"))
            return " ".join(visible(shown).split())[:HEADER_CHARACTERS_MAX]
    return ""


def words(value: str) -> str:
    """A header with its encoded words (RFC 2047) as text; a broken one stays as it is."""
    return WORD.sub(word, BETWEEN_WORDS.sub("?==?", value))


def word(found: re.Match[str]) -> str:
    """One encoded word."""
    charset, how, inside = found.groups()
    raw = inside.encode("utf-8", "replace")
    if how in "bB":
        return in_charset(unbase64(raw), charset)
    return in_charset(quopri.decodestring(raw, header=True), charset)


def unbase64(raw: bytes) -> bytes:
    """What base64 says, as far as it can be read; padding is often lost."""
    kept = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
    try:
        return base64.b64decode(kept[: len(kept) - (len(kept) % 4 == 1)] + b"==")
    except binascii.Error:  # pragma: no cover - nothing is left that it could complain of
        return b""


def in_charset(raw: bytes, charset: str) -> str:
    """Bytes as text; UTF-8 where nobody knows the encoding or it is none for text."""
    try:
        return raw.decode(charset, errors="replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", errors="replace")


def sent(message: Message) -> str:
    """When it claims to be written."""
    try:
        found = parsedate_to_datetime(header(message, "date"))
        moment = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except ODD:
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year > 1900 else ""
