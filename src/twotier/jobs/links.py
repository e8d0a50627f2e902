"""Signed links to an approval: who has one may see it, and say what it says, until it runs out.

The signature covers approval, word and end, so that a link to look at cannot be made one that
decides. The key lies in the state folder, for its owner alone; a new one makes old links void.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from twotier.errors import ForbiddenError

KEY_BYTES = 32
SEE = "see"
WORDS = (SEE, "yes", "no")


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links and checks them. `base` is the gateway's address as its owner reaches it."""

    key: bytes
    base: str

    @classmethod
    def of(cls, path: Path, *, base: str) -> Links:
        """With the key of this file, which is made when it is missing."""
        return cls(key_of(path), base.rstrip("/"))

    def link(self, approval: str, *, expires_ms: int) -> str:
        """The address of the page that shows an approval."""
        token = self.token(approval, SEE, expires_ms=expires_ms)
        query = urlencode({"id": approval, "until": expires_ms, "token": token})
        return f"{self.base}/approve?{query}"

    def token(self, approval: str, word: str, *, expires_ms: int) -> str:
        """The signature of one word about one approval."""
        text = f"{approval}\0{word}\0{expires_ms}"
        return hmac.new(self.key, text.encode(), sha256).hexdigest()

    def check(self, approval: str, word: str, *, until: str, token: str, now_ms: int) -> None:
        """Raises `ForbiddenError` for what we did not sign, and for what has run out."""
        number = int(until) if until.isascii() and until.isdecimal() and len(until) < 20 else -1
        good = self.token(approval, word, expires_ms=number)
        if word not in WORDS or not hmac.compare_digest(good.encode(), token.encode()):
            raise ForbiddenError("this link is not one of ours; `twotier approve` lists what waits")
        if number <= now_ms:
            raise ForbiddenError("this link has run out; `twotier approve` lists what waits")


def key_of(path: Path) -> bytes:
    """The key in this file; made once, whole or not at all, mode 0600."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    if len(found) == KEY_BYTES:
        return found
    made = secrets.token_bytes(KEY_BYTES)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        file.write(made)
    partial.replace(path)
    return made
