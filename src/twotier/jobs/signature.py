"""Whether what was posted comes from who holds the job's secret. Pure.

The signature is the HMAC-SHA256 of the body, byte for byte, as GitHub and many others make it. Who
sends a time as well signs that with it, `TIME.BODY`, and then an old post cannot be sent again.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

OURS, GITHUBS = "x-twotier-signature", "x-hub-signature-256"
TIME = "x-twotier-timestamp"  # seconds since the epoch
AGE_SECONDS_MAX = 300.0
SIGNATURE_CHARACTERS_MAX = 200


def is_signed(secret: str, body: bytes, *, headers: Mapping[str, str], now: datetime) -> bool:
    """Whether the body is signed with the secret, and, where it says when, not long ago. Every
    comparison takes the same time whatever was sent.
    """
    given = headers.get(OURS) or headers.get(GITHUBS) or ""
    made = signature(secret, content(body, headers))
    fits = hmac.compare_digest(made.encode(), given[:SIGNATURE_CHARACTERS_MAX].encode("utf-8"))
    return fits and is_young(headers.get(TIME, ""), now)


def signature(secret: str, signed: bytes) -> str:
    """The header's value for what is signed."""
    return f"sha256={hmac.new(secret.encode(), signed, sha256).hexdigest()}"


def content(body: bytes, headers: Mapping[str, str]) -> bytes:
    """What is signed: the body, with the time in front where one was sent."""
    stamp = headers.get(TIME, "")
    return stamp.encode() + b"." + body if stamp else body


def is_young(stamp: str, now: datetime) -> bool:
    """Whether the time that was sent is near; where none was sent there is nothing to compare."""
    if not stamp:
        return True
    return (
        stamp.isascii()
        and stamp.isdigit()
        and len(stamp) < 12
        and (abs(now.timestamp() - int(stamp)) <= AGE_SECONDS_MAX)
    )
