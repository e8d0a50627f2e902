"""Who is logged in: one-time codes, sessions, and how many tries a stranger has.

Only the owner gets in. A code is made over the private socket, whose lock is the file system, holds
for ten minutes and opens one session; no client's key opens the dashboard, because those lie in the
settings of programs that read what strangers write. Kept are digests alone: a copy of the file
opens nothing. Who guesses is told to wait, by the address it comes from; a right code always opens,
so that nobody is kept out by another's guesses (of 80 bits none is guessed). A restart ends no
session, since the file is read again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Network, ip_address
from pathlib import Path
from typing import Literal

import msgspec

from twotier.domain.clock import Clock
from twotier.errors import AuthError, ConfigError, TooManyTriesError
from twotier.keys import replace

CODE_SECONDS = 600.0
CODES_MAX = 16
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that looks like another
CODE_LENGTH, CODE_GROUP = 16, 4  # 80 bits
SESSION_DAYS = 30  # from its beginning
IDLE_DAYS = 7
SESSIONS_MAX = 64
SEEN_EVERY_SECONDS = 3_600.0  # how often the file hears that a session is in use
TRIES_MAX, TRIES_SECONDS = 10, 60.0  # for each address
NETWORK_BITS = 64
GUESSING_MAX = 1024  # addresses whose tries are counted at once
DAY_SECONDS = 86_400.0


class Session(msgspec.Struct):
    """One browser that is logged in. `digest` is of what its cookie holds; `csrf` stands in its
    pages. Times are seconds since 1970. `notice` is shown once, by the next page.
    """

    digest: str
    csrf: str
    began: float
    seen: float
    notice: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[1]
    sessions: list[Session]


@dataclass(slots=True)
class Sessions:
    """All of them, and the codes that wait. `token` makes a secret of that many bytes."""

    path: Path
    clock: Clock
    token: Callable[[int], str] = secrets.token_urlsafe
    letter: Callable[[str], str] = secrets.choice
    _codes: dict[str, float] = field(default_factory=dict)
    _open: dict[str, Session] = field(default_factory=dict)
    _tries: dict[str, list[float]] = field(default_factory=dict)

    def load(self) -> None:
        """Take in those of an earlier life. Raises `ConfigError` for a file that is not ours."""
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=_File).sessions
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as exc:
            raise ConfigError(
                f"{self.path} cannot be used: {exc}; remove it, and log in to the dashboard again"
            ) from exc
        now = self._now()
        self._open = {one.digest: one for one in found if alive(one, now)}

    def new_code(self) -> str:
        """A code that opens one session within `CODE_SECONDS`."""
        signs = "".join(self.letter(CODE_LETTERS) for _ in range(CODE_LENGTH))
        code = "-".join(signs[at : at + CODE_GROUP] for at in range(0, CODE_LENGTH, CODE_GROUP))
        self._codes = {one: until for one, until in self._codes.items() if until > self._mono()}
        while len(self._codes) >= CODES_MAX:
            self._codes.pop(next(iter(self._codes)))
        self._codes[hashed(plain(code))] = self._mono() + CODE_SECONDS
        return code

    def enter(self, code: str, *, before: str = "", peer: str = "") -> str:
        """What the cookie of a new session holds, for a code. The browser's session from `before`
        ends; `peer` is the address it comes from. Raises `AuthError`, and `TooManyTriesError` after
        too many of them.
        """
        now = self._mono()
        until = self._codes.pop(hashed(plain(code)), 0.0)
        if until <= now:
            self._guessed(peer_group(peer), now)
            raise AuthError(
                "this code is not known, was used already or is older than ten minutes;"
                " `twotier dashboard` makes a new one"
            )
        self.leave(before)
        return self._begin()

    def _guessed(self, peer: str, now: float) -> None:
        """One more wrong try from there. Raises `TooManyTriesError` after too many."""
        tries = [at for at in self._tries.pop(peer, ()) if at > now - TRIES_SECONDS]
        self._tries[peer] = tries  # the last one in the order of what is kept
        if len(tries) >= TRIES_MAX:
            raise TooManyTriesError(
                "too many codes were wrong; wait a minute, or take a new one from"
                " `twotier dashboard`",
                retry_after_seconds=TRIES_SECONDS,
            )
        tries.append(now)
        while len(self._tries) > GUESSING_MAX:
            self._tries.pop(next(iter(self._tries)))

    def of(self, token: str) -> Session | None:
        """The session of a cookie, None for none that is open."""
        found = self._open.get(hashed(token)) if token else None
        now = self._now()
        if found is None or not alive(found, now):
            return None
        if now - found.seen > SEEN_EVERY_SECONDS:
            found.seen = now
            self._write()
        return found

    def leave(self, token: str) -> None:
        """End one."""
        if token and self._open.pop(hashed(token), None) is not None:
            self._write()

    def _begin(self) -> str:
        token, now = self.token(32), self._now()
        session = Session(hashed(token), self.token(24), began=now, seen=now)
        self._open = {key: one for key, one in self._open.items() if alive(one, now)}
        while len(self._open) >= SESSIONS_MAX:
            self._open.pop(min(self._open, key=lambda key: self._open[key].seen))
        self._open[session.digest] = session
        self._write()
        return token

    def _write(self) -> None:
        kept = [msgspec.structs.replace(one, notice="") for one in self._open.values()]
        replace(self.path, msgspec.json.encode(_File(1, kept)).decode() + "\n")

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _mono(self) -> float:
        return self.clock.monotonic()


def alive(session: Session, now: float) -> bool:
    """Whether it is neither too old nor forgotten."""
    days = (now - session.began) / DAY_SECONDS
    return days < SESSION_DAYS and (now - session.seen) / DAY_SECONDS < IDLE_DAYS


def peer_group(peer: str) -> str:
    """Whose tries are counted together: one address, and of IPv6 the network of one customer (a
    /64), since who has one address of it has them all.
    """
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv4Address) or address.ipv4_mapped is not None:
        return str(address)
    return str(IPv6Network((address, NETWORK_BITS), strict=False))


def plain(code: str) -> str:
    """A code as it is compared: however it was typed."""
    return "".join(sign for sign in code.upper() if sign.isalnum())


def hashed(secret: str) -> str:
    """What is kept of a secret. It is random and long, so its digest needs no salt."""
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
