"""A mail is read into a letter, whatever anybody sends."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twotier.watch import mail_text
from twotier.watch.mail_text import Letter, letter_of

PLAIN = b"""From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
To: me@example.org
Date: Mon, 2 Mar 2026 13:00:00 +0100
Subject: =?iso-8859-1?B?R3L832Ug?=
 =?utf-8?B?YXVzIEvDtmxu?=
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe=
!
"""


def read(raw: bytes) -> Letter:
    """The letter, with room for its text."""
    return letter_of(raw, text_bytes_max=10_000)


def test_headers_and_text_are_decoded() -> None:
    """Encoded words, also in two encodings, a zone, a soft line break."""
    letter = read(PLAIN)
    assert letter.subject == "Grüße aus Köln"
    assert letter.sender == "Jörg <joerg@example.org>"
    assert letter.sent == "2026-03-02T12:00:00Z"
    assert letter.text == "Grüße!"
    assert letter.shown.splitlines()[:2] == [
        "From: Jörg <joerg@example.org>",
        "To: me@example.org",
    ]


def mail_with_everything() -> bytes:
    """Text, HTML and files, as mail programs send it."""
    mail = EmailMessage()
    mail["Subject"] = "all of it"
    mail.set_content("the text")
    mail.add_alternative("<p>the <b>html</b>", subtype="html")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="../a\u202eb.pdf")
    mail.add_attachment("secret", filename="notes.txt")
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("the inner text")
    mail.add_attachment(inner)
    return mail.as_bytes()


def test_text_is_preferred_and_attachments_are_named_and_not_opened() -> None:
    """A text file is an attachment too, and so is a mail."""
    letter = read(mail_with_everything())
    assert letter.text == "the text"
    assert letter.attachments == (
        "ab.pdf (application/pdf)",
        "notes.txt (text/plain)",
        "without a name (message/rfc822)",
    )
    assert "Attached, not opened: ab.pdf (application/pdf), notes.txt" in letter.shown


def test_html_is_read_where_there_is_no_text() -> None:
    """Most newsletters have nothing else."""
    letter = read(b"Content-Type: text/html\n\n<style>p{}</style><p>one<p>two &amp; three")
    assert letter.text == "one\ntwo & three"


def test_many_attachments_are_counted() -> None:
    """Names go into a prompt, so they have an end."""
    mail = EmailMessage()
    mail.set_content("x")
    for number in range(30):
        mail.add_attachment(b"x", maintype="image", subtype="png", filename=f"{number}.png")
    letter = read(mail.as_bytes())
    assert len(letter.attachments) == 21
    assert letter.attachments[-1] == "and 10 more"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\xff\xfe",
        b"no header at all",
        b"Subject: \xff\xfe raw bytes\n\n\xff\xfe",
        b"Subject: =?hex?B?AAAA?= =?utf-8?B?A?= =?x?q?=ZZ?=\n\nx",
        b"Date: Mon, 99 Foo 99999 99:99:99 +9999\n\nx",
        b"Date: 1 Jan 0001 00:00:00 +2359\n\nx",
        b"Content-Type: text/plain; charset=hex\n\nx",
        b"Content-Type: text/plain; charset=undefined\n\nx",
        b'Content-Type: text/plain; charset="\0"\n\nx',
        b'Content-Type: text/plain; charset="a\0b"\n\n\xff text',
        b"Content-Disposition: attachment; filename*=\0'y'x\n\nx",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n--b--",
        b"Content-Type: image/png\nContent-Disposition: attachment; filename*=x'y'%ff%fe\n\nx",
        b"Content-Disposition: attachment; filename*0*=utf-8''a; filename*99999999999999=b\n\nx",
        b"Content-Transfer-Encoding: base64\n\n!!!=A=\xff",
        b"Content-Transfer-Encoding: x-uuencode\n\nbegin 666 x\nM\n",
        b"Content-Type: message/rfc822\n\nSubject: inner\n\ninner text",
        b"Subject: " + b"x" * 1_000_000 + b"\n\nx",
        b"X: y\n" * 20_000 + b"\nx",
    ],
)
def test_broken_mail_is_a_letter(raw: bytes) -> None:
    """It says what can be read."""
    letter = read(raw)
    assert letter.subject
    assert len(letter.subject) <= mail_text.HEADER_CHARACTERS_MAX
    letter.shown.encode()


@pytest.mark.timeout(60)
def test_a_deep_nest_takes_no_time_and_is_told() -> None:
    """Parts in parts in parts would take minutes to parse."""
    nest = 'Content-Type: multipart/mixed; boundary="b{0}"\n\n--b{0}\n'
    lines = [nest.format(number) for number in range(3_000)]
    letter = read(("Subject: nest\n" + "".join(lines) + "\n" * 50_000).encode())
    assert letter.subject == "nest"
    assert "nested too deep" in letter.text


def test_a_long_text_is_cut_and_said_to_be() -> None:
    """Between characters."""
    letter = letter_of(b"\n" + "ä".encode() * 100, text_bytes_max=11)
    assert (letter.text, letter.bytes_cut) == ("ä" * 5, 190)


PIECES = st.sampled_from(
    [
        *(b"Subject: ", b"From: ", b"Date: ", b"Content-Type: ", b"Content-Disposition: "),
        *(b"Content-Transfer-Encoding: ", b"multipart/mixed", b"text/html", b"message/rfc822"),
        *(b"; boundary=b", b"; charset=", b"utf-7", b"utf-16", b"idna", b"unicode_escape"),
        *(b"base64", b"quoted-printable", b"attachment", b"; filename*=", b"utf-8''%ff", b"=?"),
        *(b"?B?", b"?q?", b"?=", b"--b", b"--b--", b"\n", b"\n\n", b"\r\n", b" ", b"\xff", b"\0"),
        *(b"<p>", b"<!--", b"&amp;", b"Mon, 2 Mar 2026 12:00:00", b"+9999", b"=C3=A4", b"R3I="),
    ]
)


@settings(max_examples=200)
@given(st.lists(PIECES | st.binary(max_size=8), max_size=40))
def test_any_bytes_are_a_letter(pieces: list[bytes]) -> None:
    """Nothing raises; text and its limits hold."""
    letter = letter_of(b"".join(pieces), text_bytes_max=20)
    assert len(letter.text.encode()) <= 20
    assert letter.subject
    letter.shown.encode()
    assert all("\n" not in name for name in letter.attachments)
