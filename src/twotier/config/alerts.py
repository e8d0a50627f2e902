"""The settings of what a person is told: which channels, how soon, at which hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from twotier.config.section import Section, raise_all
from twotier.config.values import (
    NAME,
    HttpUrl,
    Limit,
    Port,
    SecretPlace,
    Zone,
    http_url,
    secret_place,
)
from twotier.domain.urls import is_loopback

PLACES = ("env", "file", "keyring")
KINDS = ("ntfy", "webhook", "mail", "desktop", "apprise")
ALONE = ("desktop",)  # kinds without a target
MAIL = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
KINDS_TEXT = (
    "ntfy:TOPIC, webhook:URL, mail:ADDRESS, desktop or apprise:URL; in place of TOPIC and URL also"
    " where it lies: env:NAME, file:PATH or keyring:SERVICE"
)


def is_place(value: str) -> bool:
    """Whether this says where a secret lies."""
    kind, colon, name = value.partition(":")
    return kind in PLACES and bool(colon and name)


def channel_target(value: str) -> str:
    """A way out that a person looks at. Never repeated: a webhook's path is often a secret."""
    kind, colon, target = value.partition(":")
    if kind not in KINDS or (kind in ALONE) == bool(colon) or (colon and not target):
        raise ValueError(f"must be {KINDS_TEXT}")
    if kind == "mail" and not MAIL.fullmatch(target):
        raise ValueError("mail: needs one address such as me@example.org")
    if kind == "webhook" and not is_place(target):
        try:
            http_url(target)
        except ValueError as exc:
            raise ValueError("webhook: needs an address such as https://host/path") from exc
    if kind == "apprise" and not is_place(target) and "://" not in target:
        raise ValueError("apprise: needs a URL of apprise's, such as tgram://TOKEN/CHAT")
    return value


def alert_target(value: str) -> str:
    """`log`, for the log and the status alone, or a channel."""
    if value == "log":
        return value
    try:
        return channel_target(value)
    except ValueError as exc:
        raise ValueError(f"must be log, {str(exc).removeprefix('must be ')}") from exc


def secret_url(value: str) -> str:
    """An address, or where it lies."""
    return secret_place(value) if is_place(value) else http_url(value)


def channel_name(value: str) -> str:
    """A name that fits a command and a heading of the file."""
    if not NAME.fullmatch(value) or value in ("terminal", "alerts"):
        raise ValueError(
            "a channel's name is 1 to 64 of a-z, 0-9, - and _, and begins with neither;"
            " `terminal` and `alerts` are taken"
        )
    return value


def hours(value: str) -> str:
    """Quiet hours as `22:00-07:00`, or none."""
    found = HOURS.fullmatch(value)
    if value and (found is None or value[:5] == value[6:]):
        raise ValueError(f'{value!r} must be hours such as "22:00-07:00", or empty for none')
    return value


def hours_of(value: str) -> tuple[time, time] | None:
    """Beginning and end of checked quiet hours; None for none."""
    if not value:
        return None
    return time.fromisoformat(value[:5]), time.fromisoformat(value[6:])


ChannelTarget = Annotated[str, AfterValidator(channel_target)]
AlertTarget = Annotated[str, AfterValidator(alert_target)]
ChannelName = Annotated[str, AfterValidator(channel_name)]
SecretUrl = Annotated[str, AfterValidator(secret_url)]
Hours = Annotated[str, AfterValidator(hours)]


class NtfyConfig(Section):
    """The ntfy server that `ntfy:TOPIC` uses. On a public one a topic is as good as a password:
    choose a long one that nobody guesses.
    """

    url: HttpUrl = Field("https://ntfy.sh", description="Address of the server.")
    token: SecretPlace | None = Field(
        None, description="Where its access token lies, if it needs one."
    )


class SmtpConfig(Section):
    """The server that `mail:ADDRESS` is sent through."""

    host: str = Field("", description="Name of the mail server; needed for mail.")
    port: Port = Field(587, description="Its port: 587 for starttls, 465 for tls.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="How the connection is kept secret: starttls, tls from the first byte, or none,"
        " which is for a server on this machine alone.",
    )
    sender: str = Field("", description="The address mail comes from; default: the user.")
    user: str = Field("", description="Who logs in there; empty where nobody has to.")
    password: SecretPlace | None = Field(None, description="Where the password of that user lies.")

    @model_validator(mode="after")
    def fits_together(self) -> SmtpConfig:
        """A password is never sent where others can read it."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        if self.user and self.password is None:
            yield "user needs password: where it lies, such as file:smtp.password"
        if self.security == "none" and self.host and not is_loopback(self.host):
            yield 'security "none" is for a server on this machine; use "starttls" or "tls"'
        if self.host and not MAIL.fullmatch(self.sender or self.user):
            yield "sender must be an address such as twotier@example.org"


class ChannelConfig(Section):
    """One way to reach a person."""

    to: ChannelTarget = Field(description=f"Where it leads: {KINDS_TEXT}.")
    least: Literal["info", "warning", "urgent"] = Field(
        "info", description="The mildest it hears of: info, warning or urgent."
    )


class AlertsConfig(Section):
    """What a person should hear of: one message when it begins, one when it is over. It is always
    in the log and in `twotier status`, and where twotier was started.
    """

    to: AlertTarget = Field(
        "log", description=f"The first channel beside the log, called alerts: {KINDS_TEXT}."
    )
    terminal: bool = Field(
        True, description="Whether it is also a line where twotier was started, urgent with a bell."
    )
    quiet: Hours = Field(
        "",
        description="Hours in which nothing but the urgent is sent, such as 22:00-07:00; the rest"
        " comes after them as one message.",
    )
    zone: Zone = Field("local", description="Time zone of the quiet hours.")
    tier_down: Limit = Field(
        300.0, description="How long a server or a provider may be away before you hear of it."
    )
    job_failures: int = Field(
        3,
        ge=1,
        le=20,
        description="How many runs of a job may fail in a row before you hear of it.",
    )
    give_up: Limit = Field(
        604_800.0, description="How long a message is tried again that nobody takes."
    )
    ping_url: SecretUrl | None = Field(
        None,
        description="Address of a service elsewhere that alerts when it hears nothing, such as"
        " healthchecks.io, or where it lies: asked while main and worker are well, with /fail after"
        " it when they are not.",
    )
    ping_every: Limit = Field(300.0, ge=10, description="How often it is asked.")
    channels: dict[ChannelName, ChannelConfig] = Field(
        default_factory=dict, description="More channels, by name; see `twotier notify add`."
    )

    def mail_problem(self) -> str:
        """What is wrong with these channels where there is no mail server; empty if nothing is."""
        named = {"alerts.to": self.to}
        named |= {f"alerts.channels.{name}.to": one.to for name, one in self.channels.items()}
        mail = [name for name, to in named.items() if to.startswith("mail:")]
        return f"{mail[0]}: mail needs a server; set host and sender in [smtp]" if mail else ""
