"""One handler for every dialect's model route: read, ask `dispatch`, send what comes."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterator

from twotier.dispatch import Answer
from twotier.domain.message import NOTHING_PASSED, Dialect, Passed, Request
from twotier.errors import BudgetError, DeadlineError, MethodError, StoppingError, TwotierError
from twotier.gateway.asgi import (
    EVENTS,
    JSON,
    Call,
    ClientGoneError,
    Message,
    Scope,
    Send,
    encode,
    header,
    read_body,
    respond,
)
from twotier.gateway.live import Live
from twotier.gateway.refusals import http_status
from twotier.protocols import INBOUND, Inbound
from twotier.protocols.wire import check_text
from twotier.proving import Asks
from twotier.say import named

log = logging.getLogger("twotier.gateway")


class ModelRoute:
    """A route that asks a model, in one dialect."""

    def __init__(self, dialect: Dialect, asks: Asks, *, live: Live, body_bytes_max: int) -> None:
        self.wire = INBOUND[dialect]
        self.asks = asks
        self.live = live
        self.body_bytes_max = body_bytes_max

    async def __call__(self, call: Call) -> None:
        """Answer one request. Whatever goes wrong is an error in the client's own dialect.

        A client that leaves cancels us: then the upstream is let go and the row settled.
        """
        reply = Out(call.send)
        task = current_task()
        self.live.begin(task)
        try:
            body = await read_body(call.scope, call.receive, bytes_max=self.body_bytes_max)
            check_text(body)
            request = self.wire.read_request(body, passed(call.scope))
            await self.answer(call, request, reply=reply)
        except TwotierError as exc:
            await self.break_off(call, exc, reply=reply)
        except ClientGoneError:
            log.info("client gone before its body had arrived")
        except asyncio.CancelledError:
            if not self.live.ended(task):
                raise
            task.uncancel()
            await self.break_off(call, self.why_ended(), reply=reply)
        finally:
            self.live.done(task)

    async def answer(self, call: Call, request: Request, *, reply: Out) -> None:
        """Ask, and send what comes."""
        answer = await self.asks.answer(request, call.caller)
        try:
            reply.broken = answer.broken
            if call.heard is not None:
                call.heard(answer.whole)
            await deliver(answer, reply)
        except Exception as exc:  # a defect: of a stream that has begun only we can tell its client
            if not (answer.stream and reply.started):
                raise
            path, known = call.scope["path"], answer.headers["x-twotier-request"]
            broken = self.live.refusals.defect(exc, path=path, request=known)
            await reply({"type": "http.response.body", "body": answer.broken(broken)})
        finally:
            await answer.close()

    async def refuse(self, call: Call, error: TwotierError) -> None:
        """Answer with an error, and note it."""
        path, client = call.scope["path"], call.caller.client
        self.live.refusals.note(error, path=path, client=client)
        await refuse(call.send, error, wire=self.wire)

    def why_ended(self) -> TwotierError:
        """What a client hears whose answer we end."""
        if self.live.ending:
            return StoppingError("twotier is being stopped; ask again when it runs")
        seconds = f"{self.live.total_seconds_max:.0f} s; see gateway.total_seconds_max"
        return DeadlineError(f"no whole answer within {seconds}")

    async def break_off(self, call: Call, error: TwotierError, *, reply: Out) -> None:
        """Tell a client that its answer ends here, in the way its state allows. One that has all of
        it hears nothing: what failed then is its row.
        """
        if not reply.started or reply.broken is None:
            await self.refuse(call, error)
        elif not reply.ended:
            await reply({"type": "http.response.body", "body": reply.broken(error)})


def current_task() -> asyncio.Task[object]:
    """The task that answers this request."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine of ours always runs in one
    return task


def passed(scope: Scope) -> Passed:
    """What stands beside the body and goes on with it."""
    beta = header(scope, b"anthropic-beta")
    query = scope["query_string"].decode("latin-1")
    if not (beta or query):
        return NOTHING_PASSED
    return Passed(query, {"anthropic-beta": beta} if beta else {})


class Out:
    """The way to the client; remembers how to break off, and whether the head or all has gone."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = self.ended = False
        self.broken: Callable[[TwotierError], bytes] | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send one ASGI message."""
        self.started = True
        self.ended = message["type"] == "http.response.body" and not message.get("more_body")
        return self._send(message)


async def deliver(answer: Answer, send: Send) -> None:
    """Send an answer; the head goes out with the first chunk, in one packet where possible."""
    headers = encode(answer.headers.items())
    if not answer.stream:
        await respond(send, 200, body=await answer.read(), headers=[JSON, *headers])
        return
    headers += [EVENTS, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while chunk := await answer.read():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def budget_of(error: BudgetError) -> Iterator[tuple[str, str]]:
    """What a script wants to know of a refusal, without reading its body."""
    for name in ("name", "limit_usd", "resets_at"):
        if name in error.facts:
            yield name.replace("_", "-"), error.facts[name]


async def refuse(send: Send, error: TwotierError, *, wire: Inbound) -> None:
    """An error before the first byte, in the client's dialect.

    SDKs are told not to repeat what we have repeated already, or what cannot get better soon. A
    wait that was longer than the request's time is theirs.
    """
    headers = [JSON, *encode(named(error.request_id).items())]
    wait = error.retry_after_seconds
    if wait is not None:
        headers += encode([("retry-after", str(max(1, math.ceil(wait))))])
    if isinstance(error, BudgetError):
        headers += encode((f"x-twotier-budget-{name}", said) for name, said in budget_of(error))
    if isinstance(error, MethodError):
        headers += encode([("allow", ", ".join(error.methods))])
    if wait is None or error.spent:
        headers.append((b"x-should-retry", b"false"))
    await respond(send, http_status(error), body=wire.write_error(error), headers=headers)
