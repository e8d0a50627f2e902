"""Whose an address is, and how it may be shown: whoever reads over a shoulder gets no password and
no token.

Works on text and not with `urllib`, so that nouns stay pure; and on any text with addresses in it,
so that a sentence of an error can be shown the same way.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "***"
PLACES = frozenset({"env", "file", "keyring"})  # where a secret lies, in place of the secret
# A person's own words, shown as they are. Everything else may hold an address: a list of those that
# do was once too short.
WORDS = frozenset({"prompt"})
# Where messages go: the path too may be a secret.
TARGET_KEYS = frozenset({"deliver", "ping_url", "target", "to"})
# A scheme has an end: without one, a long word costs the square of its length.
URL = re.compile(
    r"([a-z][a-z0-9+.-]{0,40}://)([^\s/?#]*)([^\s?#]*)(\?[^\s#]*)?(#\S*)?", re.IGNORECASE
)


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses, which no other machine can reach;
    127.evil.example is neither.
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown_url(text: str) -> str:
    """The text with the secrets of every address in it hidden: password, query values, fragment.

    `webhook:https://me:pw@host/hook?token=t` becomes `webhook:https://me:***@host/hook?token=***`.
    A user without a password is hidden too: it is how tokens are written.
    """
    return URL.sub(hidden, text)


def hidden(found: re.Match[str]) -> str:
    """One address without its secrets."""
    scheme, authority, path, query, fragment = (part or "" for part in found.groups())
    userinfo, at, host = authority.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    who = (f"{user}:{HIDDEN}" if colon else HIDDEN) + at if at else ""
    pairs = "&".join(hidden_pair(pair) for pair in query[1:].split("&")) if query[1:] else ""
    return f"{scheme}{who}{host}{path}{query[:1]}{pairs}{'#' + HIDDEN if fragment[1:] else ''}"


def hidden_pair(pair: str) -> str:
    """`name=***`; a part without a name may be the secret itself."""
    name, equals, _ = pair.partition("=")
    return f"{name}={HIDDEN}" if equals else HIDDEN


def shown_target(text: str) -> str:
    """Where a message goes, as it may be shown: `webhook:https://host/***`, `ntfy:***`.

    The path of a webhook is what its sender is known by (Slack, Discord, Teams), an apprise URL is
    made of secrets, and on a public ntfy server the topic is the password. A place such as
    `webhook:file:slack.url` holds none of that, and is shown.
    """
    kind, colon, target = text.partition(":")
    if target.partition(":")[0] in PLACES or kind in PLACES:
        return text
    if kind == "ntfy" and colon:
        return f"{kind}:{HIDDEN}"
    if kind == "apprise":
        scheme, found, _ = target.partition("://")
        return f"{kind}:{scheme}://{HIDDEN}" if found else f"{kind}:{HIDDEN}"
    return URL.sub(without_path, text)


def without_path(found: re.Match[str]) -> str:
    """One address as scheme and host alone."""
    scheme, authority = found.group(1), found.group(2) or ""
    more = any(found.group(number) not in (None, "", "/") for number in (3, 4, 5))
    return f"{scheme}{authority.rpartition('@')[2]}{'/' + HIDDEN if more else ''}"


def without_secrets(value: Any, key: str = "") -> Any:
    """A document of plain values whose addresses hold no password and no token."""
    if isinstance(value, Mapping):
        return {inner: without_secrets(part, inner) for inner, part in value.items()}
    if isinstance(value, list):
        return [without_secrets(part, key) for part in value]
    if not isinstance(value, str) or key in WORDS:
        return value
    return shown_target(value) if key in TARGET_KEYS else shown_url(value)
