"""Our own HTTP/1.1 client for `http://` upstreams, which live on this machine or next to it.

aiohttp takes most of the time of a request that is only passed on; this takes a quarter of that
(docs/decisions/own-http-client.md). It does what `http` promises and nothing else: POST, no
redirects, no proxies, no compression, no cookies. TLS stays with aiohttp.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from functools import cached_property, lru_cache

from yarl import URL

from twotier.errors import DeadlineError, TierUnavailableError
from twotier.protocols import ReadError
from twotier.providers import trouble
from twotier.providers.base import Ask, Deadlines
from twotier.providers.plain_answer import BREAKS, Answer
from twotier.providers.plain_connection import Connection
from twotier.providers.plain_pool import Pool
from twotier.providers.timer import late

# A connection that was closed while it lay idle shows itself so when it is used, and at once. A
# server that thinks for longer and then dies has begun to work.
_STALE = (ConnectionResetError, BrokenPipeError, EOFError)
STALE_SECONDS_MAX = 1.0


class PlainReply:
    """`base.Reply` with a 2xx status over one of our connections."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._answer.status

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The response headers, names in lower case."""
        return _headers(self._answer)

    async def read(self) -> bytes:
        """The next piece of the body. Raises `DeadlineError` and `StreamBrokenError`."""
        try:
            return await self._answer.read()
        except BREAKS as exc:
            self._answer.close()
            raise trouble.broken(exc) from exc
        except DeadlineError:
            self._answer.close()
            raise

    async def close(self) -> None:
        """End it: a connection whose body has not come to its end is closed, not pooled."""
        self._answer.close()


async def post(
    pool: Pool, url: URL, *, ask: Ask, headers: Mapping[str, str], read_error: ReadError
) -> PlainReply:
    """Send the ask and wait for a 2xx head. Raises what `base` says."""
    sent_at = asyncio.get_running_loop().time()
    try:
        request = written(url, ask, headers=headers)
    except ValueError as exc:
        raise trouble.unaskable(url, exc) from exc
    # A connection nobody used before cannot be stale, so nothing is ever sent over a second one.
    pooled = None if ask.paid else pool.take(place_of(url))
    answer = await _answered(
        pool, url, pooled=pooled, request=request, deadlines=ask.deadlines, sent_at=sent_at
    )
    encoding = answer.fields.get(b"content-encoding", b"identity")
    if 200 <= answer.status < 300:
        if encoding == b"identity":
            return PlainReply(answer)
        answer.close()
        raise trouble.compressed(encoding.decode("latin-1"), answer.status)
    try:
        body = await trouble.error_body(answer.read, breaks=(*BREAKS, DeadlineError))
    finally:
        answer.close()
    raise read_error(answer.status, body, headers=_headers(answer))


def written(url: URL, ask: Ask, *, headers: Mapping[str, str]) -> bytes:
    """The request, head and body. Raises `ValueError` for headers that would end their line."""
    names = {**ask.passed.headers, **headers} if ask.passed.headers else headers
    return b"%b%d\r\n\r\n%b" % (head(url, tuple(names.items())), len(ask.body), ask.body)


@lru_cache(maxsize=64)
def head(url: URL, headers: tuple[tuple[str, str], ...]) -> bytes:
    """The head of a request up to its length, which nearly always is the one before."""
    lines = [
        f"POST {url.raw_path_qs} HTTP/1.1",
        f"Host: {url.host_port_subcomponent}",
        *(f"{name}: {value}" for name, value in headers),
        "Content-Length: ",
    ]
    text = "\r\n".join(lines)
    if not len(lines) - 1 == text.count("\n") == text.count("\r") or "\0" in text:
        raise ValueError("a header holds a line break or a zero byte")
    return text.encode()


@lru_cache(maxsize=64)
def place_of(url: URL) -> tuple[str, int]:
    """Host and port: what connections are pooled by."""
    return (url.raw_host or "", url.port or 80)


async def _answered(
    pool: Pool,
    url: URL,
    *,
    pooled: Connection | None,
    request: bytes,
    deadlines: Deadlines,
    sent_at: float,
) -> Answer:
    """The answer whose head has come.

    A pooled connection may have been closed by the server at the very moment we took it. If it dies
    at once and without a single byte the request is sent once more over a new one, and never a
    third time.
    """
    stale: Exception | None = None
    if pooled is not None:
        answer = pooled.ask(request, deadlines=deadlines, sent_at=sent_at)
        try:
            return await with_head(answer)
        except BREAKS as exc:
            at_once = asyncio.get_running_loop().time() - sent_at < STALE_SECONDS_MAX
            if answer.touched or not at_once or not isinstance(exc, _STALE):
                raise trouble.unanswered(url, exc) from exc
            stale = exc
    try:
        fresh = await _connected(pool, url, deadlines=deadlines, sent_at=sent_at)
    except TierUnavailableError as error:
        if stale is not None:  # what went out over the first connection may have been read
            raise trouble.unanswered(url, stale) from error
        raise
    try:
        return await with_head(fresh.ask(request, deadlines=deadlines, sent_at=sent_at))
    except BREAKS as exc:
        raise trouble.unanswered(url, exc) from exc


async def with_head(answer: Answer) -> Answer:
    """Wait for the head; whoever leaves takes the connection along, also one who leaves between the
    head's coming and hearing of it.
    """
    try:
        await answer.head()
    except BaseException:
        answer.close()
        raise
    return answer


async def _connected(pool: Pool, url: URL, *, deadlines: Deadlines, sent_at: float) -> Connection:
    """A new connection within the connect time, or what of the others is left if that is less."""
    connect_by = asyncio.get_running_loop().time() + deadlines.connect_seconds
    head_by = sent_at + min(deadlines.first_token_seconds, deadlines.total_seconds)
    try:
        async with asyncio.timeout_at(min(connect_by, head_by)) as limit:
            return await pool.connect(place_of(url))
    except ValueError as exc:
        raise trouble.unaskable(url, exc) from exc
    except socket.gaierror as exc:
        raise trouble.unreachable(url, "its name is not known") from exc
    except OSError as exc:
        if not limit.expired():  # the kernel's own patience may end as a TimeoutError too
            raise trouble.unreachable(url, exc.strerror or str(exc)) from exc
        if connect_by <= head_by:
            raise trouble.not_accepted(url, deadlines) from exc
        total = deadlines.total_seconds <= deadlines.first_token_seconds
        raise late("total" if total else "first token", deadlines) from exc


def _headers(answer: Answer) -> Mapping[str, str]:
    return {
        name.decode("latin-1"): value.decode("utf-8", "surrogateescape").strip()
        for name, value in answer.fields.items()
    }
