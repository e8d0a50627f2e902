"""A line where main was started, with a bell for what is urgent. It is never held or tried again.

The text may quote a page or a mail, so nothing in it can steer the terminal.
"""

from __future__ import annotations

from collections.abc import Callable

from twotier.errors import DeliveryError
from twotier.notify.base import Message, one_line

BELL = "\a"


class Terminal:
    """`write` puts text on the terminal; `bell`: somebody looks at it, not a log file."""

    def __init__(self, write: Callable[[str], object], *, bell: bool) -> None:
        self._write = write
        self._bell = bell

    async def send(self, target: str, message: Message) -> str:
        """Write the line; `target` means nothing here."""
        del target
        rings = self._bell and message.facts.get("severity") == "urgent"
        line = f"{one_line(message.title)}: {one_line(message.text)}"
        try:
            self._write(f"{BELL if rings else ''}{line}\n")
        except (OSError, ValueError) as exc:  # nobody reads it any more, or it was closed
            raise DeliveryError(f"the terminal is gone ({type(exc).__name__})") from exc
        return "the terminal took it"
