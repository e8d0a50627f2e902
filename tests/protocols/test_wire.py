"""What all dialects share: errors that name the field, replies that are no JSON, retry-after."""

from __future__ import annotations

import msgspec
import pytest

from tests.protocols.pdfs import pdf
from twotier.errors import RequestError, StreamBrokenError
from twotier.protocols.wire import (
    MESSAGE_CHARS_MAX,
    PAGES_MAX,
    check_text,
    media_type_and_data,
    pages_at_most,
    read_client_json,
    read_error_body,
    read_upstream_json,
    retry_after_seconds,
)


class Inner(msgspec.Struct):
    size: int


class Outer(msgspec.Struct):
    inner: list[Inner]
    name: str = ""


OUTER = msgspec.json.Decoder(Outer)
ANY = msgspec.json.Decoder()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"null", "must be one JSON object (expected object, got null)"),
        (b"[]", "must be one JSON object (expected object, got array)"),
        (b"{}", "missing required field inner"),
        (b'{"inner": 1}', "inner: expected array, got int"),
        (b'{"inner": [{"size": "x"}]}', "inner[0].size: expected int, got str"),
        (b'{"inner": [{}]}', "inner[0]: "),
        (b'{"inner": [], "name": "\xff"}', "UTF-8"),
    ],
)
def test_a_wrong_body_is_refused_with_the_name_of_the_field(body: bytes, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_client_json(OUTER, body)
    assert sentence in caught.value.message


def test_what_is_no_text_is_refused_wherever_it_stands() -> None:
    """The decoder steps over what it does not take out, and a relay would pass it on."""
    for body in (b'{"arguments": {"a": "\xb8"}}', b'{"na\xffme": 1}', b"\xed\xa0\x80"):
        with pytest.raises(RequestError, match="UTF-8"):
            check_text(body)
    check_text(b'{"a": "text"}')
    check_text('{"a": "Köln 🙂"}'.encode())


def test_a_body_that_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(RequestError, match="too deep"):
        read_client_json(ANY, b"[" * 100_000)


@pytest.mark.parametrize(
    "data", [b"<html>", b"", b'{"inner": 1}', b"[" * 100_000, b'{"name":"\xff"}']
)
def test_what_an_upstream_should_not_send_is_a_broken_stream(data: bytes) -> None:
    with pytest.raises(StreamBrokenError, match="a chunk that cannot be read"):
        read_upstream_json(OUTER, data, what="a chunk")


@pytest.mark.parametrize(
    ("body", "message", "kind"),
    [
        (b'{"error": {"message": "m", "type": "t"}}', "m", "t"),
        (b'{"error": "text"}', "text", None),
        (b'{"object": "error", "message": "m", "type": "t"}', "m", "t"),
        (b'{"detail": "Not Found"}', "Not Found", None),
    ],
)
def test_every_known_form_of_an_error_body_is_read(
    body: bytes, message: str, kind: str | None
) -> None:
    found = read_error_body(body)
    assert found is not None
    assert (found.message, found.type) == (message, kind)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"error": 5}'])
def test_what_is_no_error_body_is_none(body: bytes) -> None:
    assert read_error_body(body) is None


def test_a_long_message_is_shortened_because_upstreams_quote_prompts() -> None:
    found = read_error_body(msgspec.json.encode({"error": "a \n b" + "x" * 9000}))
    assert found is not None
    assert found.message.startswith("a b")
    assert len(found.message) < MESSAGE_CHARS_MAX + 10


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 10:00:30 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 09:00:00 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            0.0,
        ),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_seconds(headers) == seconds


def test_a_data_url_is_taken_apart() -> None:
    assert media_type_and_data("data:image/png;base64,AAAA") == ("image/png", "AAAA")
    assert media_type_and_data("https://example.com/a.png") is None
    assert media_type_and_data("data:text/plain,hello") is None


@pytest.mark.parametrize(
    ("data", "pages"),
    [
        (pdf(3), 3),
        ("data:application/pdf;base64," + pdf(3), 3),
        (pdf(40, packed=True), 40),
        (pdf(500), PAGES_MAX),
        (pdf(2, packed=True, flate=False), PAGES_MAX),
        (pdf(0), PAGES_MAX),
        ("A", PAGES_MAX),
        ("aGk=", 0),
        ("", PAGES_MAX),
    ],
)
def test_pages_are_counted_and_what_hides_them_is_taken_for_the_largest(
    data: str, pages: int
) -> None:
    """In the clear, in a compressed list, encrypted, no PDF at all."""
    assert pages_at_most(data) == pages
