"""Documents as OpenAI's dialects send them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.domain.message import Document
from twotier.errors import RequestError
from twotier.protocols.openai_files import file_data, read_file_data

PDF = Document("a.pdf", data="AAAA", media_type="application/pdf")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_survives_being_a_file(text: str) -> None:
    note = Document("n", text=text, media_type="text/plain")
    assert read_file_data(file_data(note), "n", where="file") == note


def test_a_pdf_stays_as_it_is_with_and_without_its_kind() -> None:
    assert read_file_data(file_data(PDF), "a.pdf", where="file") == PDF
    assert read_file_data("AAAA", "a.pdf", where="file") == PDF


@pytest.mark.parametrize("name", ["n.md", "n.csv", "n.JSON"])
def test_what_a_file_is_may_be_told_by_its_name(name: str) -> None:
    assert read_file_data("e30=", name, where="file").text == "{}"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("data:application/zip;base64,AAAA", "file.file_data: application/zip cannot be sent"),
        ("data:text/plain;base64,!", "file.file_data: is not UTF-8 text in base64"),
        ("data:text/plain;base64,/w==", "file.file_data: is not UTF-8 text in base64"),
    ],
)
def test_what_no_model_reads_is_refused_by_name(data: str, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_file_data(data, "x", where="file")
    assert sentence in caught.value.message
