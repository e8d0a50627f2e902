"""How every provider speaks HTTP: one POST, four deadlines, errors in our words.

What matters here is which side of a line an error falls on. Until the connection stands nothing
was sent, and another tier may be asked (`TierUnavailableError`). Once the request is out the
upstream may be working, and charging (`UpstreamError(started=True)`, `DeadlineError`). Once its
head is here, half an answer is `StreamBrokenError`.

Redirects are not followed (a key would travel with them), proxies from the environment are not
used, bodies are asked for uncompressed (a compressed stream arrives in lumps), cookies are not
kept. TCP_NODELAY is set by asyncio itself on every TCP connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import cached_property

import aiohttp
from yarl import URL

from twotier.errors import (
    DeadlineError,
    StreamBrokenError,
    TierUnavailableError,
    TwotierError,
    UpstreamError,
)
from twotier.protocols import ReadError
from twotier.providers.base import Ask, Deadlines

ERROR_BODY_BYTES_MAX = 64 * 1024
ERROR_BODY_SECONDS_MAX = 1.0
HEAD_LINE_BYTES_MAX = 16 * 1024
POOL_KEEPALIVE_SECONDS = 30.0


def make_session() -> aiohttp.ClientSession:
    """The client that all providers share; whoever makes it closes it. Needs a running loop.

    Its pool keeps idle connections apart by upstream. The number of connections has no limit of its
    own, because dispatch already limits requests and a wait here would look like a dead upstream.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        max_line_size=HEAD_LINE_BYTES_MAX,
        max_field_size=HEAD_LINE_BYTES_MAX,
        skip_auto_headers=("Accept-Encoding", "Accept", "User-Agent"),
    )


class HttpReply:
    """`base.Reply` over an aiohttp response with a 2xx status."""

    def __init__(
        self, response: aiohttp.ClientResponse, *, deadlines: Deadlines, sent_at: float
    ) -> None:
        self._response = response
        self._deadlines = deadlines
        self._sent_at = sent_at  # loop time

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The response headers, names in lower case."""
        return lower_names(self._response)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `DeadlineError` and `StreamBrokenError`."""
        content = self._response.content
        watch = _Watch(content, deadlines=self._deadlines, sent_at=self._sent_at)
        try:
            while True:
                watch.begin()
                chunk = await content.readany()
                watch.end()
                if not chunk:
                    return
                yield chunk
        except (aiohttp.ClientError, ConnectionError) as exc:
            await self.close()
            raise StreamBrokenError(
                f"the connection to the upstream broke in mid-answer ({type(exc).__name__}); "
                "ask again, and see the log of its server if this repeats"
            ) from exc
        except DeadlineError:
            await self.close()
            raise
        finally:
            watch.stop()

    async def close(self) -> None:
        """End it: a connection whose body is not read to its end is closed, not pooled."""
        self._response.close()


class _Watch:
    """Ends a read that waits too long, with one timer for a whole stream.

    A timeout round every read costs more than the rest of the read. Here a read only notes until
    when it may wait; the timer looks at that note when it rings, and sets itself anew. Time that
    nobody waits in (the client is slow) counts for the total only.
    """

    def __init__(
        self, content: aiohttp.StreamReader, *, deadlines: Deadlines, sent_at: float
    ) -> None:
        self._content = content
        self._deadlines = deadlines
        self._loop = asyncio.get_running_loop()
        self._total_at = sent_at + deadlines.total_seconds
        # Until the first byte the clock of the first token runs on, then the one between bytes.
        self._name = "first token"
        self._wait_until = sent_at + deadlines.first_token_seconds
        self._waiting = False
        self._timer = self._loop.call_at(min(self._wait_until, self._total_at), self._ring)

    def begin(self) -> None:
        """A read begins to wait."""
        self._waiting = True
        if self._name == "idle":
            self._wait_until = self._loop.time() + self._deadlines.idle_seconds
        due = min(self._wait_until, self._total_at)
        if due < self._timer.when():  # once: the first idle time may end before the first token's
            self._timer.cancel()
            self._timer = self._loop.call_at(due, self._ring)

    def end(self) -> None:
        """It has got something."""
        self._waiting = False
        self._name = "idle"

    def stop(self) -> None:
        """Nobody reads any more."""
        self._timer.cancel()

    def _ring(self) -> None:
        now = self._loop.time()
        due = min(self._wait_until, self._total_at)
        if not self._waiting:
            due = now + self._deadlines.idle_seconds  # earlier if a read begins that ends earlier
        elif due <= now:
            name = "total" if self._total_at <= self._wait_until else self._name
            self._content.set_exception(late(name, self._deadlines))
            return
        self._timer = self._loop.call_at(due, self._ring)


async def post(
    session: aiohttp.ClientSession,
    url: URL,
    *,
    ask: Ask,
    headers: Mapping[str, str],
    read_error: ReadError,
) -> HttpReply:
    """Send the ask and wait for a 2xx head. Raises what `base` says, and nothing of aiohttp.

    `headers` are the provider's own and win over those of the ask.
    """
    loop = asyncio.get_running_loop()
    sent_at = loop.time()
    deadlines = ask.deadlines
    wait_seconds = min(deadlines.first_token_seconds, deadlines.total_seconds)
    try:
        async with asyncio.timeout(wait_seconds):
            response = await session.post(
                url,
                data=ask.body,
                headers={**ask.headers, **headers} if ask.headers else headers,
                allow_redirects=False,
                # The other times are ours, because they span calls.
                timeout=aiohttp.ClientTimeout(connect=deadlines.connect_seconds),
            )
        if 200 <= response.status < 300:
            return HttpReply(_plain(response), deadlines=deadlines, sent_at=sent_at)
        raise await _refused(response, read_error)
    except aiohttp.ConnectionTimeoutError as exc:
        raise TierUnavailableError(
            f"{_place(url)} did not accept a connection within {deadlines.connect_seconds:g} s; "
            "see whether it is running and reachable"
        ) from exc
    except TimeoutError as exc:
        name = "total" if wait_seconds == deadlines.total_seconds else "first token"
        raise late(name, deadlines) from exc
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise _translated(exc, url) from exc


def lower_names(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """Headers as the dialects read them."""
    return {name.lower(): value for name, value in response.headers.items()}


def late(name: str, deadlines: Deadlines) -> DeadlineError:
    """The error for one of the four times: `first token`, `idle` or `total`."""
    seconds = {
        "first token": deadlines.first_token_seconds,
        "idle": deadlines.idle_seconds,
        "total": deadlines.total_seconds,
    }[name]
    return DeadlineError(
        f"the upstream's {name} time of {seconds:.3g} s ran out; ask again, "
        "or raise the tier's limit if it is only slow"
    )


def _plain(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    """The response, if it is readable as it is: we asked for no compression."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding == "identity":
        return response
    response.close()
    raise UpstreamError(
        f"the upstream compressed its answer ({encoding}) though none was asked for; "
        "switch compression off in whatever stands before it",
        upstream_status=response.status,
        upstream_kind="unreadable_answer",
        started=True,
    )


async def _refused(response: aiohttp.ClientResponse, read_error: ReadError) -> TwotierError:
    """A reply without a 2xx status as an error. What comes of its body soon is enough."""
    body = bytearray()
    # The status alone says that it refused: a body that breaks or hangs must not hide that.
    with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
        async with asyncio.timeout(ERROR_BODY_SECONDS_MAX):
            while len(body) < ERROR_BODY_BYTES_MAX and (piece := await response.content.readany()):
                body += piece
    response.close()
    return read_error(
        response.status, bytes(body[:ERROR_BODY_BYTES_MAX]), headers=lower_names(response)
    )


def _translated(exc: Exception, url: URL) -> TwotierError:
    """Errors before a head, by the question that matters: was anything sent?"""
    if isinstance(exc, aiohttp.ClientConnectorError):
        return TierUnavailableError(
            f"{_place(url)} cannot be reached ({_reason(exc)}); see whether it is running"
        )
    if isinstance(exc, aiohttp.InvalidURL | ValueError):
        return TierUnavailableError(f"{_place(url)} cannot be asked ({exc}); check its base_url")
    return UpstreamError(
        f"{_place(url)} took the request and closed without an answer "
        f"({type(exc).__name__}); it may have died: see its log",
        upstream_status=0,
        upstream_kind="connection_lost",
        started=True,
    )


def _reason(exc: aiohttp.ClientConnectorError) -> str:
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(exc, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return f"TLS failed: {exc}"
    return exc.os_error.strerror or type(exc.os_error).__name__


def _place(url: URL) -> str:
    """Where, without path and query, which may carry secrets."""
    return str(url.origin()) if url.is_absolute() else "the upstream"
