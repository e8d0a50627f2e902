"""One handler for every dialect's model route: read, ask `dispatch`, send what comes."""

from __future__ import annotations

import asyncio
import logging

from twotier.dispatch import Answer, Dispatch
from twotier.domain.message import Dialect, Request
from twotier.errors import DeadlineError, StoppingError, TwotierError, UpstreamError
from twotier.gateway.asgi import (
    EVENTS,
    JSON,
    Call,
    ClientGoneError,
    Message,
    Send,
    encode,
    gone,
    read_body,
    respond,
)
from twotier.protocols import INBOUND, Inbound

log = logging.getLogger("twotier.gateway")


class ModelRoute:
    """A route that asks a model, in one dialect. It knows the answers that are on their way."""

    def __init__(
        self,
        dialect: Dialect,
        dispatch: Dispatch,
        *,
        body_bytes_max: int,
        total_seconds_max: float,
    ) -> None:
        self.dialect: Dialect = dialect
        self.dispatch = dispatch
        self.body_bytes_max = body_bytes_max
        self.total_seconds_max = total_seconds_max
        self._live: set[asyncio.Timeout] = set()
        self._ending = False

    @property
    def under_way(self) -> int:
        """Answers that are on their way now."""
        return len(self._live)

    def end(self) -> None:
        """End them all with an error their clients see: the process stops."""
        self._ending = True
        now = asyncio.get_running_loop().time()
        for limit in self._live:
            limit.reschedule(now)

    async def __call__(self, call: Call) -> None:
        """Answer one request. Whatever goes wrong is an error in the client's own dialect."""
        try:
            body = await read_body(call.scope, call.receive, bytes_max=self.body_bytes_max)
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self.serve(call, body))
                watch = group.create_task(gone(call.receive))
                # The client leaving ends the work; the work ending ends the watch.
                watch.add_done_callback(lambda _: work.cancel())
                work.add_done_callback(lambda _: watch.cancel())
        except ClientGoneError:
            log.info("client gone before its body had arrived")

    async def serve(self, call: Call, body: bytes) -> None:
        """From the body to the last byte. Only here errors become answers."""
        wire = INBOUND[self.dialect]
        reply = Out(call.send)
        try:
            async with asyncio.timeout(self.total_seconds_max) as limit:
                self._live.add(limit)
                try:
                    request = wire.read_request(body)
                    await self.answer(call, request, reply=reply)
                finally:
                    self._live.discard(limit)
        except TwotierError as exc:
            await refuse(call.send, exc, wire=wire)
        except TimeoutError:
            await self.break_off(reply, wire)

    async def answer(self, call: Call, request: Request, *, reply: Out) -> None:
        """Ask, and send what comes."""
        async with self.dispatch.answer(request, call.caller) as answer:
            await deliver(answer, reply)

    async def break_off(self, reply: Out, wire: Inbound) -> None:
        """Tell a client that its answer ends here, in the way its state allows."""
        seconds = f"{self.total_seconds_max:.0f} s; see gateway.total_seconds_max"
        error: TwotierError = DeadlineError(f"no whole answer within {seconds}")
        if self._ending:
            error = StoppingError("twotier is being stopped; ask again when it runs")
        if not reply.started:
            return await refuse(reply, error, wire=wire)
        writer = wire.stream_writer("", model="", created=0, include_usage=False)
        return await reply({"type": "http.response.body", "body": writer.error(error)})


class Out:
    """The way to the client; remembers whether the head has gone out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        """Send one ASGI message."""
        self.started = True
        await self._send(message)


async def deliver(answer: Answer, send: Send) -> None:
    """Send an answer; the head goes out with the first chunk, in one packet where possible."""
    headers = encode(answer.headers.items())
    if not answer.stream:
        body = b"".join([chunk async for chunk in answer.chunks])
        await respond(send, 200, body=body, headers=[JSON, *headers])
        return
    headers += [EVENTS, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for chunk in answer.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def refuse(send: Send, error: TwotierError, *, wire: Inbound) -> None:
    """An error before the first byte, in the client's dialect.

    Our own tries are spent by now, so SDKs are told not to repeat what cannot get better soon.
    """
    headers = [JSON]
    wait = error.retry_after_seconds
    if wait is not None:
        headers += encode([("retry-after", str(max(1, round(wait))))])
    else:
        headers.append((b"x-should-retry", b"false"))
    await respond(send, http_status(error), body=wire.write_error(error), headers=headers)


def http_status(error: TwotierError) -> int:
    """The upstream's own status where it gave one, else that of the error's class."""
    if isinstance(error, UpstreamError) and 400 <= error.upstream_status <= 599:
        # Its 401 is about our key, not the client's: to the client that is a bad gateway.
        return 502 if error.upstream_status in (401, 403) else error.upstream_status
    return error.status
