"""The one way to other machines for every tool and watcher that takes an address.

What must stay true, whatever a page, a mail or a model asks for: http and https only; a name is
resolved once for each connection, every address it has must be public, and the connection goes to
one of exactly those; each of a few redirects is checked the same way; what the caller said in
headers does not follow to another origin; bytes, unpacked bytes and time have limits; no proxy of
the environment (it would resolve by itself), no cookies, no connection used twice.

What is not public is reached where `private_ok` names it, and that list is the owner's. It does not
know who asks, or why.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from twotier import __version__
from twotier.errors import DeliveryError, ReachError
from twotier.notify.apart import apart
from twotier.tools.addresses import Reach, allowed, judge, listed, literal, named, plainly_home
from twotier.tools.page import Page
from twotier.tools.unpack import unpacked

BYTES_MAX = 5_000_000
SECONDS_MAX = 30.0
REDIRECTS_MAX = 5
URL_CHARACTERS_MAX = 8_000
RESOLVE_SECONDS = 10.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEPS_BODY = frozenset({307, 308})
ODD = re.compile(r"[\x00-\x20\x7f\\]")
# All that goes on to another origin; whatever else the caller said may be a secret.
HARMLESS = frozenset({"accept", "accept-language", "user-agent"})
OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
USER_AGENT = f"twotier/{__version__}"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Every address the system has for a name. Raises `ReachError`."""

    def ask() -> list[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    try:
        return await apart(ask, what=host, seconds=RESOLVE_SECONDS)
    except (OSError, UnicodeError, DeliveryError) as exc:
        raise ReachError(f"there is no address for {host}; is the name right?") from exc


@dataclass(frozen=True, slots=True)
class Hop:
    """One request on the way: what is said to the next machine."""

    url: URL
    method: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Web:
    """Asks other machines. `private_ok` are hosts, or host:port, which need not be public."""

    private_ok: frozenset[str] = frozenset()
    hosts: frozenset[str] | None = None  # only these, and `*.name` below a name; None: any
    redirects_max: int = REDIRECTS_MAX  # 0: a redirect is the answer
    resolve: Resolve = system_resolve
    tls: ssl.SSLContext | None = field(default=None, repr=False)  # the system's own by default

    def allowing(self, hosts: Collection[str]) -> Web:
        """The same, with more hosts that need not be public. They come from the owner alone."""
        return replace(self, private_ok=self.private_ok | {host.lower() for host in hosts})

    def owners(self, url: str) -> Web:
        """The same, for an address the owner wrote: a host that is plainly at home is meant."""
        return self.allowing([place]) if (place := home_place(url)) else self

    def only(self, hosts: Collection[str]) -> Web:
        """The same, for these hosts alone: a redirect to any other one is refused too."""
        return replace(self, hosts=frozenset(host.lower() for host in hosts))

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        bytes_max: int = BYTES_MAX,
        seconds: float = SECONDS_MAX,
        private_ok: Collection[str] = (),
    ) -> Page:
        """GET; see `request`."""
        web = self.allowing(private_ok) if private_ok else self
        return await web.request(url, headers=headers, bytes_max=bytes_max, seconds=seconds)

    async def request(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        bytes_max: int = BYTES_MAX,
        seconds: float = SECONDS_MAX,
    ) -> Page:
        """What is at an address, whatever its status; `bytes_max` holds packed and unpacked.

        Raises `ReachError`: `forbidden` where the rules here say no, else where nothing came.
        """
        said = {name.lower(): value for name, value in (headers or {}).items()}
        said = {name: value for name, value in said.items() if name not in OURS}
        hop = Hop(parsed(url), method.upper(), {"user-agent": USER_AGENT, **said}, body)
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(hop, bytes_max)
        except TimeoutError as exc:
            raise ReachError(f"{shown(hop.url)} did not answer within {seconds:g} s") from exc

    async def _follow(self, hop: Hop, bytes_max: int) -> Page:
        left = self.redirects_max
        while True:
            page = await self._one(hop, bytes_max)
            target = page.headers.get("location", "")
            if page.status not in REDIRECTS or not target or not self.redirects_max:
                return page
            if not left:
                raise ReachError(f"{shown(hop.url)} leads on and on; {self.redirects_max} is most")
            left -= 1
            hop = next_hop(hop, page.status, target=target)

    async def _one(self, hop: Hop, bytes_max: int) -> Page:
        addresses = await self._vetted(hop.url)
        connector = aiohttp.TCPConnector(
            resolver=Fixed(hop.url.raw_host or "", addresses),
            use_dns_cache=False,
            force_close=True,
            ssl=self.tls or True,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),  # `request` holds the limit
            headers={"accept-encoding": "gzip, deflate"},
        )
        try:
            async with (
                session,
                session.request(
                    hop.method,
                    hop.url,
                    headers=hop.headers,
                    data=hop.body,
                    allow_redirects=False,
                ) as reply,
            ):
                return await read(reply, bytes_max)
        except aiohttp.ClientConnectorCertificateError as exc:
            raise ReachError(f"{shown(hop.url)} shows no certificate that can be trusted") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise ReachError(f"{shown(hop.url)} cannot be reached ({type(exc).__name__})") from exc

    async def _vetted(self, url: URL) -> Sequence[str]:
        """The addresses of a host, if every one of them may be connected to."""
        host, port = url.raw_host or "", url.port or 0
        if self.hosts is not None and not listed(self.hosts, host):
            raise ReachError(f"{host} is not one of the hosts that may be asked", forbidden=True)
        try:
            address = literal(host)
        except ValueError as exc:
            raise ReachError(str(exc), forbidden=True) from exc
        addresses = [address] if address else await self.resolve(host, port)
        if not addresses:
            raise ReachError(f"there is no address for {host}; is the name right?")
        is_ours = allowed(self.private_ok, host, port=port)
        for one in addresses:
            verdict = judge(one)
            if verdict.reach is Reach.PUBLIC or (is_ours and verdict.reach is Reach.HOME):
                continue
            if is_ours and address:
                continue  # the owner wrote this very address
            leads = "" if address else f" leads to {one},"
            raise ReachError(
                f"{host}{leads or ' is'} {verdict.because}; only public addresses are reached,"
                " and those at home that the owner named in tools.private_ok",
                forbidden=True,
            )
        return addresses


class Fixed(AbstractResolver):
    """Hands out the addresses that were looked at, and no others."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp's, says nothing
    ) -> list[ResolveResult]:
        """The addresses of the one host."""
        if host != self._host:
            raise ReachError(f"{host} was not looked at", forbidden=True)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def parsed(url: str, base: URL | None = None) -> URL:
    """An address that may be looked at; one parser for the check and for the connection.

    Raises `ReachError` for other schemes, a user in it, control characters and no host.
    """
    if ODD.search(url) or len(url) > URL_CHARACTERS_MAX:
        raise ReachError(
            "an address holds no spaces, backslashes and no end of text", forbidden=True
        )
    try:
        found = base.join(URL(url)) if base else URL(url)
        scheme, host, port = found.scheme, found.raw_host, found.port
        user = found.raw_user is not None or found.raw_password is not None
    except ValueError as exc:
        raise ReachError("this is no address; write https://host/path", forbidden=True) from exc
    if scheme not in ("http", "https") or not host or not port:
        raise ReachError("only http:// and https:// addresses with a host work", forbidden=True)
    if user:
        raise ReachError("an address with a user in it is refused; leave out user@", forbidden=True)
    return found.with_fragment(None)


def next_hop(hop: Hop, status: int, *, target: str) -> Hop:
    """Where a redirect leads, and what may be said there. Raises `ReachError`."""
    url = parsed(target, base=hop.url)
    headers, method, body = dict(hop.headers), hop.method, hop.body
    if status not in KEEPS_BODY and not (method == "HEAD" or (method == "GET" and body is None)):
        method, body = "GET", None
        headers = {name: one for name, one in headers.items() if not name.startswith("content-")}
    if url.origin() != hop.url.origin():
        headers = {name: one for name, one in headers.items() if name in HARMLESS}
        if method not in ("GET", "HEAD"):
            raise ReachError(
                f"{shown(hop.url)} wants the data sent to {shown(url)}; ask there if you trust it",
                forbidden=True,
            )
    return Hop(url, method, headers, body)


async def read(reply: aiohttp.ClientResponse, bytes_max: int) -> Page:
    """The answer, as far as it is allowed to go. Raises `ReachError`."""
    host = shown(reply.url)
    headers = {name.lower(): value for name, value in reply.headers.items()}
    packed = bytearray()
    async for chunk in reply.content.iter_any():
        packed += chunk
        if len(packed) > bytes_max:
            raise ReachError(
                f"{host} sends more than {bytes_max:,} bytes, the most that is read", too_large=True
            )
    try:
        body = unpacked(bytes(packed), headers.pop("content-encoding", ""), bytes_max=bytes_max)
    except ValueError as exc:
        raise ReachError(f"{host}: {exc}") from exc
    return Page(reply.status, headers, body, str(reply.url))


def host_of(url: str) -> str:
    """The host of an address as a list names it. Raises `ReachError`, as a request would."""
    return named(parsed(url).raw_host or "")


def at_home(web: Web, url: str) -> bool:
    """Whether an address is one that is open only because the owner allowed it: what lies there is
    his own. Raises `ReachError`.
    """
    found = parsed(url)
    return allowed(web.private_ok, found.raw_host or "", port=found.port or 0)


def home_place(url: str) -> str:
    """`host:port` of an address whose host is plainly at home, else nothing."""
    found = parsed(url)
    host = found.raw_host or ""
    return f"{named(host)}:{found.port}" if plainly_home(host) else ""


def shown(url: URL) -> str:
    """What may be told of an address: its path and query may hold a secret."""
    return url.host or "the address"
