"""Webhooks and ntfy: one POST each, no redirects, a limit on the time.

A webhook gets `{"schema_version": 1, "title", "text", "key", ...facts}` and the header
`idempotency-key`. ntfy gets its JSON publishing format (docs.ntfy.sh/publish/#publish-as-json), in
which titles may be any text; a message over 4,096 bytes would become an attachment, so it is cut.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import aiohttp

from twotier.errors import DeliveryError
from twotier.notify.base import SEND_SECONDS, Message

NTFY_BYTES_MAX = 4_000
PRIORITY = {"info": 2, "urgent": 5}  # of ntfy; 3 is the usual one
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})  # the receiver's trouble, not the message's
RETRY_AFTER_DIGITS = 6


class Webhook:
    """POSTs JSON to any URL."""

    async def send(self, target: str, message: Message) -> str:
        """Send to the URL `target`; any 2xx counts as delivered."""
        body = {
            **message.facts,
            "schema_version": 1,
            "title": message.title,
            "text": message.text,
            "key": message.key,
        }
        return await post(target, body, headers={"idempotency-key": message.key})


class Ntfy:
    """Publishes to a topic of an ntfy server. It has no idempotency: a repeat may show twice."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def send(self, target: str, message: Message) -> str:
        """Send to the topic `target`; an urgent message rings there, a note does not."""
        body: dict[str, Any] = {
            "topic": target,
            "title": message.title,
            "message": shortened(message.text),
        }
        if priority := PRIORITY.get(str(message.facts.get("severity", ""))):
            body["priority"] = priority
        return await post(self._url, body, headers=self._headers)


async def ping(url: str) -> str:
    """One GET, for a service that alerts when it hears nothing. As `post`."""
    return await ask("GET", url)


async def post(url: str, body: dict[str, Any], *, headers: dict[str, str]) -> str:
    """One POST; what was answered. The URL may hold a secret, so only its host is ever named."""
    return await ask("POST", url, json=body, headers=headers)


async def ask(method: str, url: str, **more: Any) -> str:
    """One request; what was answered, in a few words. Raises `DeliveryError`."""
    host = host_of(url)
    timeout = aiohttp.ClientTimeout(total=SEND_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, url, allow_redirects=False, **more) as reply,
        ):
            status, after = reply.status, reply.headers.get("retry-after", "")
    except TimeoutError as exc:
        raise DeliveryError(f"{host} did not answer within {SEND_SECONDS:.0f} s") from exc
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise DeliveryError(f"{host} cannot be reached ({type(exc).__name__})") from exc
    said = f"{host} answered with status {status}"
    if not 200 <= status < 300:
        wait = float(after) if after.isdecimal() and len(after) < RETRY_AFTER_DIGITS else None
        raise DeliveryError(said, refused=status not in LATER, retry_after_seconds=wait)
    return said


def host_of(url: str) -> str:
    """What may be told of an address."""
    try:
        return urlsplit(url).hostname or "an address without host"
    except ValueError:
        return "an address that is none"


def shortened(text: str) -> str:
    """Text that ntfy shows as a message; a cut is marked. Half a surrogate pair becomes `?`."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= NTFY_BYTES_MAX:
        return raw.decode()
    return raw[:NTFY_BYTES_MAX].decode(errors="ignore") + " ..."
