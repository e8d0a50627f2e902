"""What the X API answers, read into items; and how its numbers tell time. Pure.

A post's number holds the moment it was made, so a moment is a number too: the smallest a post of
that moment can have. What does not have the documented shape reads as empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twotier.domain.job import Item
from twotier.errors import NOT_READABLE
from twotier.watch.cut import cut, first_line
from twotier.watch.visible import reason, visible

EPOCH_MS = 1_288_834_974_657
NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Posts:
    """A page: the posts, how many were given and so paid, and where the next page is."""

    items: tuple[Item, ...]
    count: int
    newest: int
    oldest: int
    next_token: str


def posts_of(raw: bytes, *, bytes_max: int) -> Posts | None:
    """A page of posts, None where it is none."""
    try:
        body = json.loads(raw)
    except NOT_READABLE:
        return None
    if not isinstance(body, Mapping) or not isinstance(body.get("meta"), Mapping):
        return None
    rows = body.get("data")
    given = rows if isinstance(rows, list) else []
    found = [row for row in given if isinstance(row, Mapping) and number(row.get("id"))]
    numbers = [number(row.get("id")) for row in found]
    token = body["meta"].get("next_token")
    return Posts(
        items=tuple(item_of(row, bytes_max=bytes_max) for row in found),
        count=len(given),
        newest=max(numbers, default=0),
        oldest=min(numbers, default=0),
        next_token=token if isinstance(token, str) and len(token) < 500 else "",
    )


def item_of(row: Mapping[str, Any], *, bytes_max: int) -> Item:
    """A post. Its author is a number: X charges for names too."""
    identity, author = str(number(row.get("id"))), reason(row.get("author_id"))
    said = row.get("text")
    whole = visible(said) if isinstance(said, str) else ""
    text, left_out = cut(whole, bytes_max=bytes_max)
    link = f"https://x.com/i/web/status/{identity}"
    return Item(
        identity,
        first_line(whole)[:80] or f"post {identity}",
        text,
        link,
        bytes_cut=left_out,
        author=author,
        at=moment_of(int(identity)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        link=link,
    )


def refusal(status: int, raw: bytes) -> str:
    """Why X gave no posts, in its own words, and what to do."""
    try:
        body = json.loads(raw)
    except NOT_READABLE:
        body = {}
    said = ""
    if isinstance(body, Mapping):
        errors = body.get("errors")
        first = errors[0] if isinstance(errors, Sequence) and errors else {}
        words = first.get("message") if isinstance(first, Mapping) else ""
        said = reason(words) or reason(body.get("detail")) or reason(body.get("title"))
    advice = {
        401: "the token is wrong or was taken back",
        402: "the account has no credits left",
        403: "the token may not read this",
        429: "give the job a longer period",
    }
    return f"X says {status}: {said or 'nothing else'}" + (
        f"; {advice[status]}" if status in advice else ""
    )


def wait_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """When its limit begins anew."""
    reset = headers.get("x-rate-limit-reset", "")
    if not (reset.isascii() and reset.isdecimal()) or len(reset) > 11:
        return None
    return max(0.0, float(reset) - now.timestamp())


def number(value: Any) -> int:
    """A post's number, 0 for what is none."""
    return int(value) if isinstance(value, str) and NUMBER.fullmatch(value) else 0


def number_at(moment: datetime) -> int:
    """The smallest number that a post of this moment can have."""
    return max(0, int(moment.timestamp() * 1000) - EPOCH_MS) << 22


def moment_of(post: int) -> datetime:
    """When a post was made."""
    return datetime.fromtimestamp(((post >> 22) + EPOCH_MS) / 1000, UTC)
