"""An address as it may be shown: whoever reads over a shoulder gets no password and no token.

Works on text and not with `urllib`, so that nouns stay pure; and on any text with addresses in it,
so that a sentence of an error can be shown the same way.
"""

from __future__ import annotations

import re

HIDDEN = "***"
URL = re.compile(r"([a-z][a-z0-9+.-]*://)([^\s/?#]*)([^\s?#]*)(\?[^\s#]*)?(#\S*)?", re.IGNORECASE)


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
