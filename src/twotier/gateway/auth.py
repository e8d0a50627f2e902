"""Who may come in: the Host and Origin of a request, and the key it carries.

A web page that a person looks at can send requests to loopback. So a foreign `Host` (DNS
rebinding) and any foreign `Origin` are refused on every path, before the key is looked at. Keys
are compared in constant time, by hash, so that their length does not show either.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.errors import AuthError, ForbiddenError, RequestError
from twotier.gateway.asgi import Scope, header


def digest(key: str) -> bytes:
    """What is kept of a key in memory."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, slots=True)
class Door:
    """The rules of one entrance. `keys` maps a client's name to the digest of its key.

    `private` is the socket in the state folder: the file system is its lock, no key is asked for,
    and its headers are believed.
    """

    keys: Mapping[str, bytes]
    private: bool = False

    def admit(self, scope: Scope) -> Caller:
        """The caller behind a request. Raises `ForbiddenError` or `AuthError`."""
        if self.private:
            return believed(scope)
        self.check_browser(scope)
        return restricted(scope, self.client(scope))

    def check_browser(self, scope: Scope) -> None:
        """Refuse foreign Host and Origin headers."""
        if not is_loopback(hostname(header(scope, b"host"))):
            raise ForbiddenError("this Host is not allowed; use the address `twotier status` shows")
        origin = header(scope, b"origin")
        if origin and not is_loopback(hostname(origin.partition("://")[2])):
            raise ForbiddenError("web pages of other sites may not use twotier")

    def client(self, scope: Scope) -> str:
        """The name of the client whose key this is."""
        given = header(scope, b"authorization")
        scheme, _, key = given.partition(" ")
        if scheme.lower() != "bearer":
            key = header(scope, b"x-api-key")
        if not key:
            raise AuthError("no key; send `Authorization: Bearer KEY`, see `twotier key show`")
        seen = digest(key.strip())
        found = ""
        for name, known in self.keys.items():  # all of them, so that time tells nothing
            if hmac.compare_digest(seen, known):
                found = name
        if not found:
            raise AuthError("this key is not known here; `twotier key show` prints the right one")
        return found


def hostname(authority: str) -> str:
    """The host of `host`, `host:port` or `[v6]:port`."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition("/")[0].rpartition(":")[0] or authority.partition("/")[0]


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses; 127.evil.example is neither."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def believed(scope: Scope) -> Caller:
    """A caller on the private socket: the worker or the command line."""
    deadline = header(scope, b"x-twotier-deadline")
    return Caller(
        private=True,
        client="worker" if header(scope, b"x-twotier-job") else "cli",
        job=header(scope, b"x-twotier-job"),
        run=header(scope, b"x-twotier-run"),
        step=header(scope, b"x-twotier-step"),
        kind=header(scope, b"x-twotier-kind"),
        policy=policy(header(scope, b"x-twotier-policy")),
        deadline_seconds=seconds(deadline) if deadline else None,
    )


def restricted(scope: Scope, client: str) -> Caller:
    """A caller from TCP: its headers may restrict, never widen."""
    asked = policy(header(scope, b"x-twotier-policy"))
    narrow = asked if asked is TierPolicy.LOCAL_ONLY else TierPolicy.AUTO
    return Caller(client=client, policy=narrow)


def policy(value: str) -> TierPolicy:
    """A tier policy by name; a wrong one is an error, because a typo must not open a door."""
    try:
        return TierPolicy(value) if value else TierPolicy.AUTO
    except ValueError as exc:
        known = ", ".join(one.value for one in TierPolicy)
        raise RequestError(f"x-twotier-policy {value!r} is not known; use {known}") from exc


def seconds(value: str) -> float:
    """A positive number of seconds from a header."""
    try:
        number = float(value)
    except ValueError as exc:
        raise RequestError("x-twotier-deadline must be a number of seconds") from exc
    if not 0 < number < 1e7:
        raise RequestError("x-twotier-deadline must be a positive number of seconds")
    return number
