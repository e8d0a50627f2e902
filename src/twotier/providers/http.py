"""How every provider speaks HTTP: one POST, four deadlines, errors in our words.

Two clients stand behind the one `post`: `plain` for `http://`, where the local servers are and
every microsecond is ours, and aiohttp for everything else, because TLS is not a thing to write
oneself. Both keep the same promises; the errors are in `trouble`, the times in `timer`.

Redirects are not followed (a key would travel with them), proxies from the environment are not
used, bodies are asked for uncompressed (a compressed stream arrives in lumps), cookies are not
kept. TCP_NODELAY is set by asyncio itself on every TCP connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType

import aiohttp
from yarl import URL

from twotier.errors import DeadlineError, TwotierError
from twotier.protocols import ReadError
from twotier.providers import plain, trouble
from twotier.providers.base import Ask, Deadlines, Reply
from twotier.providers.plain_pool import Pool
from twotier.providers.timer import Timer, late

HEAD_LINE_BYTES_MAX = 16 * 1024
POOL_KEEPALIVE_SECONDS = 30.0
FETCH_SECONDS_MAX = 60.0
FETCH_BYTES_MAX = 32 * 1024 * 1024


class Transport:
    """The connections that all providers share; whoever makes it enters and leaves it.

    Idle connections are kept apart by upstream. The number of connections has no limit of its own,
    because dispatch already limits requests and a wait here would look like a dead upstream.
    """

    plain: Pool
    tls: aiohttp.ClientSession

    async def __aenter__(self) -> Transport:
        async with AsyncExitStack() as stack:
            self.plain = await stack.enter_async_context(Pool())
            self.tls = await stack.enter_async_context(_session())
            self._held = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection."""
        await self._held.aclose()


async def post(
    transport: Transport,
    url: URL,
    *,
    ask: Ask,
    headers: Mapping[str, str],
    read_error: ReadError,
) -> Reply:
    """Send the ask and wait for a 2xx head. Raises what `base` says, and nothing of a library.

    `headers` are the provider's own and win over those of the ask.
    """
    if ask.passed.query:
        url = url.with_query(ask.passed.query)
    # A name and password in the address become a header in aiohttp; we leave that to it.
    if url.scheme == "http" and url.raw_host and url.raw_user is None and url.raw_password is None:
        return await plain.post(
            transport.plain, url, ask=ask, headers=headers, read_error=read_error
        )
    return await _post(transport.tls, url, ask=ask, headers=headers, read_error=read_error)


@dataclass(frozen=True, slots=True)
class Sending:
    """One small call beside those that ask a model."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes = b""


async def fetch(transport: Transport, sending: Sending, *, read_error: ReadError) -> bytes:
    """The whole body of a 2xx reply. Raises what `base` says, and nothing of a library."""
    deadlines = Deadlines(
        FETCH_SECONDS_MAX, FETCH_SECONDS_MAX, FETCH_SECONDS_MAX, FETCH_SECONDS_MAX
    )
    try:
        async with asyncio.timeout(FETCH_SECONDS_MAX):
            response = await transport.tls.request(
                sending.method,
                sending.url,
                data=sending.body or None,
                headers=sending.headers,
                allow_redirects=False,
            )
            if 200 <= response.status < 300:
                return await _limited(_plain(response))
            raise await _refused(response, read_error)
    except TimeoutError as exc:
        raise late("total", deadlines) from exc
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise _translated(exc, sending.url) from exc


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    """The body, if it is not too long to be one of ours."""
    try:
        body = await response.content.read(FETCH_BYTES_MAX + 1)
        pieces = [body]
        size = len(body)
        while body and size <= FETCH_BYTES_MAX:
            body = await response.content.read(FETCH_BYTES_MAX + 1 - size)
            pieces.append(body)
            size += len(body)
    except (aiohttp.ClientError, ConnectionError) as exc:
        raise trouble.broken(exc) from exc
    finally:
        response.close()
    if size > FETCH_BYTES_MAX:
        raise trouble.endless(FETCH_BYTES_MAX)
    return b"".join(pieces)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        max_line_size=HEAD_LINE_BYTES_MAX,
        max_field_size=HEAD_LINE_BYTES_MAX,
        skip_auto_headers=("Accept-Encoding", "Accept", "User-Agent"),
    )


class _HttpReply:
    """`base.Reply` over an aiohttp response with a 2xx status."""

    def __init__(
        self, response: aiohttp.ClientResponse, *, deadlines: Deadlines, sent_at: float
    ) -> None:
        self._response = response
        self._timer = Timer()
        self._timer.start(response.content.set_exception, deadlines=deadlines, sent_at=sent_at)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The response headers, names in lower case."""
        return _lower_names(self._response)

    async def read(self) -> bytes:
        """The next piece of the body. Raises `DeadlineError` and `StreamBrokenError`."""
        timer = self._timer
        timer.begin()
        try:
            chunk = await self._response.content.readany()
        except (aiohttp.ClientError, ConnectionError) as exc:
            await self.close()
            raise trouble.broken(exc) from exc
        except DeadlineError:
            await self.close()
            raise
        timer.end(content=True)
        if not chunk:
            timer.stop()
        return chunk

    async def close(self) -> None:
        """End it: a connection whose body is not read to its end is closed, not pooled."""
        self._timer.stop()
        self._response.close()


async def _post(
    session: aiohttp.ClientSession,
    url: URL,
    *,
    ask: Ask,
    headers: Mapping[str, str],
    read_error: ReadError,
) -> _HttpReply:
    loop = asyncio.get_running_loop()
    sent_at = loop.time()
    deadlines = ask.deadlines
    wait_seconds = min(deadlines.first_token_seconds, deadlines.total_seconds)
    try:
        async with asyncio.timeout(wait_seconds):
            response = await session.post(
                url,
                data=ask.body,
                headers={**ask.passed.headers, **headers} if ask.passed.headers else headers,
                allow_redirects=False,
                # The other times are ours, because they span calls.
                timeout=aiohttp.ClientTimeout(connect=deadlines.connect_seconds),
            )
        if 200 <= response.status < 300:
            return _HttpReply(_plain(response), deadlines=deadlines, sent_at=sent_at)
        raise await _refused(response, read_error)
    except aiohttp.ConnectionTimeoutError as exc:
        raise trouble.not_accepted(url, deadlines) from exc
    except TimeoutError as exc:
        name = "total" if wait_seconds == deadlines.total_seconds else "first token"
        raise late(name, deadlines) from exc
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise _translated(exc, url) from exc


def _lower_names(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _plain(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    """The response, if it is readable as it is."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding == "identity":
        return response
    response.close()
    raise trouble.compressed(encoding, response.status)


async def _refused(response: aiohttp.ClientResponse, read_error: ReadError) -> TwotierError:
    """A reply without a 2xx status as an error."""
    body = await trouble.error_body(
        response.content.readany, breaks=(aiohttp.ClientError, ConnectionError)
    )
    response.close()
    return read_error(response.status, body, headers=_lower_names(response))


def _translated(exc: Exception, url: URL) -> TwotierError:
    """Errors before a head, by the question that matters: was anything sent?"""
    if isinstance(exc, aiohttp.ClientConnectorError):
        return trouble.unreachable(url, _reason(exc))
    if isinstance(exc, aiohttp.InvalidURL | ValueError):
        return trouble.unaskable(url, exc)
    return trouble.unanswered(url, exc)


def _reason(exc: aiohttp.ClientConnectorError) -> str:
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(exc, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return f"TLS failed: {exc}"
    return exc.os_error.strerror or type(exc.os_error).__name__
