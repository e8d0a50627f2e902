"""Whose an address is, and that it is shown without what opens the door behind it."""

from __future__ import annotations

import pytest

from twotier.domain.urls import is_loopback, shown_target, shown_url


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("webhook:https://hooks.example/services/T0/B0/x", "webhook:https://hooks.example/***"),
        ("webhook:https://me:pw@h/?q=1#x", "webhook:https://h/***"),
        ("webhook:https://h?q=1", "webhook:https://h/***"),
        ("webhook:https://h:8080/", "webhook:https://h:8080"),
        ("https://hc-ping.example/uuid", "https://hc-ping.example/***"),
        ("webhook:file:slack.url", "webhook:file:slack.url"),
        ("env:PING_URL", "env:PING_URL"),
        ("ntfy:long-secret-topic", "ntfy:***"),
        ("apprise:tgram://token/chat", "apprise:tgram://***"),
        ("apprise:nothing", "apprise:***"),
        ("mail:me@example.org", "mail:me@example.org"),
        ("file:out/{stem}.txt", "file:out/{stem}.txt"),
        ("desktop", "desktop"),
        ("log", "log"),
    ],
)
def test_the_path_of_a_target_is_hidden_too(text: str, shown: str) -> None:
    """It is what a chat service knows its sender by; a place of a secret holds none."""
    assert shown_target(text) == shown


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("LOCALHOST", True),
        ("::1", True),
        ("127.9.9.9", True),
        ("10.0.0.7", False),
        ("127.0.0.1.nip.example", False),
        ("", False),
    ],
)
def test_loopback_is_parsed_and_not_guessed_from_its_beginning(host: str, ours: bool) -> None:
    """`127.` at the start of a name proves nothing."""
    assert is_loopback(host) is ours


def test_a_long_word_costs_no_more_than_its_length() -> None:
    """A line of 64 KB once kept a worker from starting: its texts are shown when it begins."""
    word = "x" * 2_000_000
    assert shown_url(word) == word
    assert shown_url(f"{word}https://me:pw@host/") == f"{word}https://me:***@host/"
