"""A channel sends one message and says whether it arrived.

Channels do not retry; whoever sends keeps the message until it is delivered, and sends it again
with the same `key`, so that a receiver can drop what it has already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

SEND_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Message:
    """What to send. `key` is the same for every try; `facts` are plain JSON values beside it."""

    title: str
    text: str
    key: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Channel(Protocol):
    """One way out."""

    async def send(self, target: str, message: Message) -> str:
        """Send to `target`; what the other side said, in a few words without secrets.

        Raises `DeliveryError` if it did not take it.
        """
        ...


def one_line(text: str) -> str:
    """For a header, a title, a line of a terminal: no line breaks, no control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
