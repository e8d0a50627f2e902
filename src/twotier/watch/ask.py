"""Asks an address whether there is anything new, and takes no for an answer.

The cursor keeps what the other side said of its last answer (ETag, date) and a mark of its body, so
that most looks read nothing: either the other side says "not modified", or it says the same again.
What cannot be asked is could not look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from twotier.domain.urls import shown_url
from twotier.errors import ReachError, WatchError
from twotier.tools.page import Page
from twotier.tools.web import Web
from twotier.watch.base import Around
from twotier.watch.cut import mark

BYTES_MAX = 4_000_000
SECONDS_MAX = 30.0
BODY_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that is not the last one, and the part of the next cursor that says so."""

    page: Page
    cursor: dict[str, Any]


async def changed(
    web: Web, url: str, *, cursor: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Answer | None:
    """What is there now, None where it is what it was. Raises `WatchError`.

    The address is the owner's own, so a host at home may be meant.
    """
    known = cursor.get("if")
    asked = dict(headers or {}) | (known if isinstance(known, dict) else {})
    page = await fetched(web, url, headers=asked)
    body = hashlib.sha256(page.body).hexdigest()[:BODY_CHARACTERS]
    if page.is_unchanged or cursor.get("body") == body:
        return None
    return Answer(page, {"if": page.validators, "body": body})


async def fetched(web: Web, url: str, *, headers: Mapping[str, str]) -> Page:
    """The answer of an address that the owner wrote. Raises `WatchError`."""
    try:
        page = await web.owners(url).get(
            url, headers=headers, bytes_max=BYTES_MAX, seconds=SECONDS_MAX
        )
        return page.expect_ok()
    except ReachError as exc:
        raise WatchError(exc.message) from exc


def secret_header(around: Around, *, place: str, pattern: str) -> dict[str, str]:
    """The header `Name: value with {secret}`; none without a secret. Raises `WatchError`."""
    name, _, value = pattern.partition(":")
    return {name.strip(): value.strip().replace("{secret}", around.secret(place))} if place else {}


def quoted(word: str) -> str:
    """A word as a part of an address."""
    return quote(word, safe="")


def place(kind: str, url: str) -> str:
    """An address as the place of a watcher. What may be secret in it counts, and is not shown."""
    return f"{kind}:{shown_url(url)}#{mark(url)[:12]}"
