"""Who may come in: the Host and Origin of a request, and the key it carries.

A web page that a person looks at can send requests to loopback. So a foreign `Host` (DNS
rebinding) and any foreign `Origin` are refused on every path, before the key is looked at. A key is
looked up by its SHA-256: what the time of a comparison could tell is about a digest that nobody can
steer, whatever the key's length and however many keys there are. Every request comes through here,
so its headers are read once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256

from msgspec.structs import replace

from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy, stricter
from twotier.domain.urls import is_loopback
from twotier.errors import AuthError, ForbiddenError, RequestError
from twotier.gateway.asgi import Scope, header
from twotier.gateway.clients import Clients

LOOKED_AT = frozenset({b"host", b"origin", b"authorization", b"x-api-key", b"x-twotier-policy"})
HOSTS_KEPT = 64
OLD_PORT = "old-port"  # what those are called who came without a key
Seen = Mapping[bytes, bytes]


class Door:
    """The entrance for TCP. `hosts` and `origins` are allowed beside those of this machine."""

    def __init__(
        self, clients: Clients, *, hosts: Collection[str] = (), origins: Collection[str] = ()
    ) -> None:
        self._clients = clients
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)
        self._good_hosts: set[bytes] = set()  # as they were sent, so that none is taken apart twice

    def admit(self, scope: Scope) -> Caller:
        """The caller behind a request. Raises `ForbiddenError`, `AuthError` or `RequestError`."""
        seen = looked_at(scope)
        self._check(seen)
        caller = self._caller(seen)
        asked = seen.get(b"x-twotier-policy")
        if asked is None:
            return caller
        # From TCP a header may restrict what the key allows, never widen it.
        return replace(caller, policy=stricter(caller.policy, policy(asked.decode("latin-1"))))

    def check_browser(self, scope: Scope) -> None:
        """Refuse foreign Host and Origin headers; for the paths that ask for no key."""
        self._check(looked_at(scope))

    def shares_with(self, scope: Scope) -> str:
        """The origin whose pages may read the answer (CORS): a configured one, else none."""
        origin = header(scope, b"origin") if self._origins else ""
        return origin if origin.lower() in self._origins else ""

    def _check(self, seen: Seen) -> None:
        host = seen.get(b"host", b"")
        if host not in self._good_hosts:
            self._check_host(host)
        if origin := seen.get(b"origin"):
            self._check_origin(origin.decode("latin-1").lower())

    def _check_host(self, given: bytes) -> None:
        name = hostname(given.decode("latin-1")).lower()
        if not is_loopback(name) and name not in self._hosts:
            raise ForbiddenError(
                "this Host is not allowed; use the address `twotier status` shows, or add the name"
                " to gateway.allowed_hosts"
            )
        if len(self._good_hosts) < HOSTS_KEPT:
            self._good_hosts.add(given)

    def _check_origin(self, origin: str) -> None:
        if origin not in self._origins and not is_loopback(hostname(origin.partition("://")[2])):
            raise ForbiddenError(
                "web pages of other sites may not use twotier; gateway.allowed_origins names those"
                " that may"
            )

    def _caller(self, seen: Seen) -> Caller:
        """Whose key this is. Some clients fill both headers, one of them with a dummy."""
        callers = self._clients.callers
        given = seen.get(b"authorization", b"")
        bearer = given[7:].strip() if given[:7].lower() == b"bearer " else b""
        key = seen.get(b"x-api-key", b"").strip()
        found = callers.get(sha256(bearer).digest()) if bearer else None
        if found is None and key:
            found = callers.get(sha256(key).digest())
        if found is None:
            raise unknown() if bearer or key else missing()
        return found


class OldDoor(Door):
    """The entrance on a port that an older server without keys had: its clients send none, or a
    made-up one. They are let in to the local tiers, which is what that server was.
    """

    def _caller(self, seen: Seen) -> Caller:
        try:
            return super()._caller(seen)
        except AuthError:
            return Caller(client=OLD_PORT, policy=TierPolicy.LOCAL_ONLY)


class PrivateDoor:
    """The socket in the state folder: the file system is its lock, and its headers are believed."""

    def admit(self, scope: Scope) -> Caller:
        """The worker or the command line."""
        return believed(scope)

    def check_browser(self, scope: Scope) -> None:
        """No browser reaches a Unix socket."""

    def shares_with(self, scope: Scope) -> str:  # noqa: ARG002 - the same for all
        """Nobody."""
        return ""


def looked_at(scope: Scope) -> Seen:
    """The headers that decide, in one pass. Raises `RequestError` for one that is sent twice."""
    seen: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in LOOKED_AT:
            if name in seen:  # a proxy in front may have looked at the other one
                raise RequestError(f"the header {name.decode()} is sent twice; send it once")
            seen[name] = value
    return seen


def missing() -> AuthError:
    """No key at all."""
    return AuthError("no key; send `Authorization: Bearer KEY`, see `twotier key show`")


def unknown() -> AuthError:
    """A key that opens nothing (any more)."""
    return AuthError(
        "this key is not known here; `twotier key show` prints the right one, `twotier key list`"
        " names the others"
    )


def hostname(authority: str) -> str:
    """The host of `host`, `host:port` or `[v6]:port`."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition("/")[0].rpartition(":")[0] or authority.partition("/")[0]


def believed(scope: Scope) -> Caller:
    """A caller on the private socket: the worker or the command line."""
    deadline = header(scope, b"x-twotier-deadline")
    period = header(scope, b"x-twotier-period")
    return Caller(
        private=True,
        client="worker" if header(scope, b"x-twotier-job") else "cli",
        job=header(scope, b"x-twotier-job"),
        run=header(scope, b"x-twotier-run"),
        step=header(scope, b"x-twotier-step"),
        kind=header(scope, b"x-twotier-kind"),
        policy=policy(header(scope, b"x-twotier-policy")),
        deadline_seconds=seconds(deadline) if deadline else None,
        period_seconds=seconds(period, b"x-twotier-period") if period else None,
        batch=header(scope, b"x-twotier-batch") == "yes",
    )


def policy(value: str) -> TierPolicy:
    """A tier policy by name; a wrong one is an error, because a typo must not open a door."""
    try:
        return TierPolicy(value) if value else TierPolicy.AUTO
    except ValueError as exc:
        # The value is not repeated: what stands in headers stays out of answers and logs.
        known = ", ".join(one.value for one in TierPolicy)
        raise RequestError(f"x-twotier-policy must be one of {known}") from exc


def seconds(value: str, name: bytes = b"x-twotier-deadline") -> float:
    """A positive number of seconds from the header `name`."""
    try:
        number = float(value)
    except ValueError as exc:
        raise RequestError(f"{name.decode()} must be a number of seconds") from exc
    if not 0 < number < 1e9:
        raise RequestError(f"{name.decode()} must be a positive number of seconds")
    return number
