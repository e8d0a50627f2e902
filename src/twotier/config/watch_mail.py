"""The settings of the watcher of a mailbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from twotier.config.section import raise_all
from twotier.config.values import HostName, Port, SecretPlace
from twotier.config.watch_base import LooksBack
from twotier.domain.urls import is_loopback

Folder = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class ImapWatch(LooksBack):
    """Folders of a mailbox; nothing is ever marked as read, and attachments are never opened."""

    kind: Literal["imap"] = Field(description="What to look at: mail that arrives.")
    host: HostName = Field(description="The mail server, for example imap.example.org.")
    port: Port | None = Field(None, description="Its port; default: 993 with tls, else 143.")
    security: Literal["tls", "starttls", "plain"] = Field(
        "tls", description="How the connection is kept secret; plain is for this machine only."
    )
    user: str = Field(min_length=1, description="The name to log in with.")
    password: SecretPlace = Field(
        description="Where its password lies: env:NAME, file:PATH or keyring:SERVICE."
    )
    folders: tuple[Folder, ...] = Field(
        ("INBOX",), min_length=1, max_length=20, description="The folders to look at."
    )
    senders: tuple[str, ...] = Field(
        (), description="Senders that count, as shell patterns on the whole line; empty for all."
    )
    subjects: tuple[str, ...] = Field(
        (), description="Subjects that count, as shell patterns; empty for all."
    )
    bodies: bool = Field(
        True, description="Whether the text is read; false reads who wrote, when and the subject."
    )

    @model_validator(mode="after")
    def fits_together(self) -> ImapWatch:
        """A password goes over no network in the clear."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        if self.security == "plain" and not is_loopback(self.host):
            yield 'security = "plain" is for a server on this machine only; use tls or starttls'
