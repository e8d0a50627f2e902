"""What the heads of requests share in what they say of their cost beside tokens. Pure.

A bound may be too high and never too low: what is not known is counted as the dearest it can be.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from twotier.domain.price import STANDARD, Asked

# Read once more with what a search brought in: no vendor says how much that is. Ten results of two
# thousand tokens each is more than was ever seen.
SEARCH_TOKENS_MAX = 20_000
# What a request of OpenAI's dialects comes to that names no service tier: the project's setting
# decides then.
UNDECIDED = Asked(maybe=("priority",))
# Where bodies of any dialect speak of caches, and the lives that may be written at a dearer price.
_OF_CACHES = (b"cache_control", b"prompt_cache_")
_LONG_LIVES = (b'"1h"', b'"30m"', b'"12h"', b'"24h"')
_MODES = {
    "default": STANDARD,
    "standard": STANDARD,
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",  # its newer name
    "ultrafast": "ultrafast",
    "batch": "batch",
}


def long_lived(body: bytes) -> bool:
    """Whether a body may ask for caches that live longer than five minutes.

    Not read with the head: it takes microseconds that only what costs money has to pay.
    """
    return any(
        life in said for word in _OF_CACHES for said in _objects(body, word) for life in _LONG_LIVES
    )


def _objects(body: bytes, word: bytes) -> Iterator[bytes]:
    """What stands behind each place of a word, up to the end of its object."""
    at = body.find(word)
    while at >= 0:
        end = body.find(b"}", at)
        yield body[at : end if end >= 0 else None]
        at = body.find(word, at + len(word))


def plain(raw: msgspec.Raw) -> object:
    """A field of a head as it came; None for what is no value anywhere (`1e400`): it decides
    nothing, and whoever reads all of the body refuses it.
    """
    try:
        return msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return None


def mode_of(service_tier: object) -> str:
    """OpenAI's `service_tier`, asked for or answered, as a mode; empty where it decides nothing."""
    return _MODES.get(service_tier, "") if isinstance(service_tier, str) else ""
