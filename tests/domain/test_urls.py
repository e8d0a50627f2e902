"""An address is shown without what opens the door behind it."""

from __future__ import annotations

import pytest

from twotier.domain.urls import shown_url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@host:80/v1", "http://me:***@host:80/v1"),
        ("https://token@host", "https://***@host"),
        ("https://h/x?token=a&b=c", "https://h/x?token=***&b=***"),
        ("https://h/x?secret#more", "https://h/x?***#***"),
        ("webhook:https://me:p@ss@h/x", "webhook:https://me:***@h/x"),
        ("see http://a:b@c/d, then http://e", "see http://a:***@c/d, then http://e"),
        ("http://127.0.0.1:8484/v1", "http://127.0.0.1:8484/v1"),
        ("file:out/{stem}.txt", "file:out/{stem}.txt"),
    ],
)
def test_passwords_and_values_are_hidden(text: str, shown: str) -> None:
    """User info, the values of the query, the fragment; host and path stay readable."""
    assert shown_url(text) == shown
