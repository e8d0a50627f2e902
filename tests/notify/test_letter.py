"""What a mail says, before any server is asked."""

from __future__ import annotations

from twotier.notify.base import Message
from twotier.notify.mail import letter_of


def test_any_text_of_a_model_becomes_a_mail() -> None:
    """Half a surrogate pair is replaced, and a title with line breaks makes no second header."""
    message = Message("Late\r\nBcc: evil@example.org", "half: \ud83d", "run1-item1")
    letter = letter_of(message, sender="me@example.org", receiver="you@example.org")
    assert letter.get_content() == "half: ?\n"
    assert letter["Subject"] == "Late Bcc: evil@example.org"
    assert letter["Bcc"] is None
    assert letter.as_bytes()
