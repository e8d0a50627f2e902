"""Any service that apprise knows, by its URL; with the extra `twotier[apprise]`.

apprise blocks and logs by itself: it runs on a thread of its own, and its word is a yes or a no.
What went wrong may hold the URL, which is made of secrets, so it is not repeated.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

from twotier.errors import DeliveryError
from twotier.notify.apart import apart
from twotier.notify.base import Message

TYPES = {"info": "info", "warning": "warning", "urgent": "failure"}
SILENT = logging.CRITICAL + 1


class Apprise:
    """Sends through apprise."""

    async def send(self, target: str, message: Message) -> str:
        """Send to the apprise URL `target`."""
        return await apart(lambda: told(target, message), what="apprise")


def told(target: str, message: Message) -> str:
    """Blocking. Raises `DeliveryError`."""
    try:
        apprise: Any = importlib.import_module("apprise")
    except ImportError as exc:
        raise DeliveryError(
            "apprise is not installed; run `pip install 'twotier[apprise]'`"
        ) from exc
    scheme = target.partition(":")[0]
    logging.getLogger("apprise").setLevel(SILENT)
    ways = apprise.Apprise()
    if not ways.add(target):
        raise DeliveryError(f"apprise cannot read this {scheme} URL; see its documentation")
    kind = TYPES.get(str(message.facts.get("severity", "")), "info")
    if not ways.notify(body=message.text, title=message.title, notify_type=kind):
        raise DeliveryError(f"apprise could not deliver to {scheme}")
    return f"apprise delivered to {scheme}"
