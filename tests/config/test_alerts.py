"""Channels, hours, the mail server: what could never work is refused, and no target repeated."""

from __future__ import annotations

import tomllib
from datetime import time

import pytest

from twotier.config.alerts import hours_of
from twotier.config.load import check
from twotier.config.schema import Config
from twotier.errors import ConfigError

MAIL = '[smtp]\nhost = "mail.example.org"\nsender = "a@b.example"\n'


def read(text: str) -> Config:
    return check(tomllib.loads(text), "twotier.toml")


@pytest.mark.parametrize(
    "text",
    [
        '[alerts]\nto = "webhook:https://h/x"\nquiet = "22:00-07:00"\nping_url = "env:PING"',
        '[alerts]\nto = "ntfy:env:TOPIC"\n[alerts.channels.a]\nto = "desktop"\nleast = "urgent"',
        '[alerts.channels.a]\nto = "apprise:tgram://token/chat"\n',
        '[alerts.channels.a]\nto = "apprise:keyring:telegram"\n',
        f'{MAIL}[alerts]\nto = "mail:me@there.example"\n',
        '[smtp]\nhost = "localhost"\nsecurity = "none"\nsender = "a@b"\n',
        '[smtp]\nhost = "h"\nuser = "a@b"\npassword = "file:p"\nsecurity = "tls"\nport = 465\n',
    ],
)
def test_what_works_is_taken(text: str) -> None:
    assert read(text).alerts.terminal


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[alerts]\nto = "canary"', "alerts.to: must be log, ntfy:TOPIC, webhook:URL"),
        ('[alerts]\nto = "file:canary"', "must be log, ntfy:TOPIC"),
        ('[alerts]\nto = "webhook:canary"', "must be log, webhook: needs an address"),
        ('[alerts.channels.a]\nto = "log"', "alerts.channels.a.to: must be ntfy:TOPIC"),
        ('[alerts.channels.a]\nto = "desktop:canary"', "must be ntfy:TOPIC"),
        ('[alerts.channels.a]\nto = "ntfy:"', "must be ntfy:TOPIC"),
        ('[alerts.channels.a]\nto = "apprise:canary"', "apprise: needs a URL of apprise's"),
        ('[alerts.channels.alerts]\nto = "desktop"', "`terminal` and `alerts` are taken"),
        (
            '[alerts.channels.a]\nto = "mail:a@b.example"',
            "alerts.channels.a.to: mail needs a server",
        ),
        ('[alerts]\nto = "mail:a@b.example"', "alerts.to: mail needs a server"),
        ('[alerts]\nquiet = "22-7"', 'must be hours such as "22:00-07:00"'),
        ('[alerts]\nquiet = "24:00-07:00"', "must be hours"),
        ('[alerts]\nquiet = "07:00-07:00"', "must be hours"),
        ('[alerts]\nping_url = "canary"', "alerts.ping_url: must be an address"),
        ('[smtp]\nhost = "h"\nsender = "me"', "sender must be an address"),
        ('[smtp]\nuser = "a@b"', "user needs password"),
        (
            '[smtp]\nhost = "mail.example.org"\nsender = "a@b"\nsecurity = "none"',
            'security "none" is for a server on this machine',
        ),
    ],
)
def test_what_could_never_work_is_refused_by_its_path(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(text)
    assert said in refused.value.message
    assert "canary" not in refused.value.message


def test_hours_are_a_beginning_and_an_end() -> None:
    assert hours_of("") is None
    assert hours_of("22:00-07:30") == (time(22), time(7, 30))
