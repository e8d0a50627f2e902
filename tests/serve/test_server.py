"""HTTP/1.1 as clients really speak it, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.serve.talk import QUICK, Place, echo, play, request, respond, served
from twotier.gateway.asgi import Receive, Scope, Send
from twotier.serve.limits import Limits


def test_requests_on_one_connection_are_answered_in_order() -> None:
    """Sent all at once, they neither mix nor overtake one another."""

    async def scenario() -> list[bytes]:
        async with served(echo) as place:
            client = await place.client()
            await client.say(b"".join(request(b"%d" % number) for number in range(9)))
            return [(await client.answer())[1] for _ in range(9)]

    assert play(scenario) == [b"POST /x? %d" % number for number in range(9)]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_request_may_come_in_any_pieces(size: int) -> None:
    """A byte at a time is slow and no fault."""

    async def scenario() -> tuple[int, bytes]:
        async with served(echo) as place:
            client = await place.client()
            whole = request(b"hello", target="/a%20b?c=%20d")
            for at in range(0, len(whole), size):
                await client.say(whole[at : at + size])
                await asyncio.sleep(0)
            return await client.answer()

    assert play(scenario) == (200, b"POST /a b?c=%20d hello")


def test_a_body_in_chunks_is_put_together() -> None:
    """Trailers are passed over."""
    head = b"POST /x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"

    async def scenario() -> bytes:
        async with served(echo) as place:
            client = await place.client()
            await client.say(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: t\r\n\r\n")
            first = (await client.answer())[1]
            await client.say(request(b"again"))
            return first + b"|" + (await client.answer())[1]

    assert play(scenario) == b"POST /x? abcde|POST /x? again"


def test_a_client_that_waits_for_a_word_gets_it() -> None:
    """Curl asks before it sends more than a kilobyte."""

    async def scenario() -> tuple[bytes, bytes]:
        async with served(echo) as place:
            client = await place.client()
            await client.say(
                request(method="POST")[:-2] + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n"
            )
            word = await client.head()
            await client.say(b"ok")
            return word, (await client.answer())[1]

    assert play(scenario) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"POST /x? ok")


def test_old_and_polite_clients_are_closed_after_their_answer() -> None:
    """HTTP/1.0, and `connection: close`."""

    async def scenario() -> list[bytes]:
        async with served(echo) as place:
            answers = []
            for said in (
                b"GET /old HTTP/1.0\r\nhost: h\r\n\r\n",
                request(b"x", "connection: close"),
            ):
                client = await place.client()
                await client.say(said)
                answers.append(await client.rest())
            return answers

    old, polite = play(scenario)
    assert b"connection: close" in old
    assert old.endswith(b"GET /old? ")
    assert b"connection: close" in polite


def test_a_head_has_no_body() -> None:
    """HEAD answers as GET would, without the body, and the next answer is not shifted."""

    async def scenario() -> tuple[bytes, bytes]:
        async with served(echo) as place:
            client = await place.client()
            await client.say(request(method="HEAD"))
            head = await client.head()
            await client.say(request(b"next"))
            return head, (await client.answer())[1]

    head, following = play(scenario)
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert following == b"POST /x? next"


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Three pieces without a length."""
    del scope
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"one", b"", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"three"})


@pytest.mark.parametrize(
    ("version", "more", "body"),
    [
        ("1.1", "close", b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"),
        ("1.0", "close", b"onetwothree"),
        ("1.0", "upgrade\r\nupgrade: h2c", b"onetwothree"),
    ],
)
def test_an_answer_without_a_length_goes_in_chunks(version: str, more: str, body: bytes) -> None:
    """To an HTTP/1.0 client it ends with the connection, whatever that would like to become."""

    async def scenario() -> bytes:
        async with served(stream) as place:
            client = await place.client()
            await client.say(
                f"GET / HTTP/{version}\r\nhost: h\r\nconnection: {more}\r\n\r\n".encode()
            )
            return (await client.rest()).partition(b"\r\n\r\n")[2]

    assert play(scenario) == body


def test_a_client_that_leaves_ends_the_work_for_it() -> None:
    """The task is cancelled, and what it holds is let go."""
    seen: list[str] = []

    async def scenario() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            del scope, receive, send
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                ended.set()

        async with served(app) as place:
            client = await place.client()
            await client.say(request(b"x"))
            await begun.wait()
            client.leave()
            await ended.wait()

    play(scenario)
    assert seen == ["cancelled"]


def test_a_client_that_leaves_while_it_sends_is_heard_of() -> None:
    """Half a body is not taken for a whole one."""

    async def scenario() -> str:
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            del scope, send
            try:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        heard.set_result("gone")
                        return
            except asyncio.CancelledError:
                heard.set_result("cancelled")
                raise

        async with served(app) as place:
            client = await place.client()
            await client.say(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nhal")
            await asyncio.sleep(0.05)
            client.leave()
            return await heard

    assert play(scenario) in ("gone", "cancelled")


def test_a_slow_reader_holds_up_only_itself() -> None:
    """The application waits until the client has read, and memory does not grow."""

    async def scenario() -> tuple[bool, int]:
        written = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal written
            del scope
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(200):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
                written += 1
            await send({"type": "http.response.body", "body": b""})

        async with served(app) as place:
            client = await place.client()
            await client.say(request(b"x", "connection: close"))
            await asyncio.sleep(0.2)
            early = written
            return early < 200, len(await client.rest())

    held, size = play(scenario)
    assert held
    assert size > 200 * 65536


def test_a_large_body_waits_for_its_reader() -> None:
    """More than the limit is not taken in before somebody wants it; then all of it comes."""

    async def scenario() -> tuple[int, bytes]:
        async with served(echo, Limits(unread_bytes_max=1024)) as place:
            client = await place.client()
            await client.say(request(b"y" * 3_000_000))
            status, body = await client.answer()
            return status, body[-3:]

    assert play(scenario) == (200, b"yyy")


def test_an_answer_before_the_body_has_come_reaches_its_client() -> None:
    """A refusal of a large upload is an answer, not a reset; the connection goes on."""

    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        await respond(send, scope["path"].encode())

    async def scenario() -> list[bytes]:
        async with served(early) as place:
            client = await place.client()
            await client.say(request(b"z" * 2_000_000, target="/big"))
            await client.say(request(b"s", target="/small"))
            return [(await client.answer())[1] for _ in range(2)]

    assert play(scenario) == [b"/big", b"/small"]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"this is not http\r\n\r\n", 400),
        (
            b"GET / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET / HTTP/1.1\r\nhost: h\r\n" + b"a: b\r\n" * 500 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: h\r\na: " + b"b" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nhost: h\r\n\r\n", 414),
    ],
)
def test_what_is_no_request_gets_an_answer_that_says_so(said: bytes, status: int) -> None:
    """In JSON, and then the connection ends."""

    async def scenario() -> bytes:
        async with served(echo) as place:
            client = await place.client()
            await client.say(said)
            return await client.rest()

    answer = play(scenario)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b'{"error":{"message":"' in answer


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"POST / HTTP/1.1\r\nhost: h\r\n", b"408"),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nhal", b"408"),
        (b"", b""),
    ],
)
def test_whoever_keeps_us_waiting_is_closed(said: bytes, status: bytes) -> None:
    """In the head, in the body, and before the first byte; a byte now and then gains nothing."""

    async def scenario() -> bytes:
        async with served(echo, QUICK) as place:
            client = await place.client()
            if said:
                await client.say(said)
                for _ in range(3):
                    await asyncio.sleep(0.05)
                    await client.say(b"x" if b"length" in said else b"a: b\r\n")
            return await client.rest()

    answer = play(scenario)
    assert status in answer[:16]
    assert bool(answer) == bool(status)


def test_there_is_a_last_place() -> None:
    """One connection too many hears why."""

    async def scenario() -> tuple[bytes, tuple[int, bytes]]:
        async with served(echo, Limits(connections_max=1)) as place:
            first = await place.client()
            await first.say(request(b"1"))
            kept = await first.answer()
            second = await place.client()
            return await second.rest(), kept

    refused, kept = play(scenario)
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert kept[0] == 200


def test_an_application_that_fails_does_not_keep_its_client_waiting() -> None:
    """Without a head the connection is closed; the other connections go on."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/bad":
            raise ValueError("a defect")
        await echo(scope, receive, send)

    async def scenario() -> tuple[bytes, int]:
        async with served(app) as place:
            bad, good = await place.client(), await place.client()
            await bad.say(request(target="/bad"))
            ended = await bad.rest()
            await good.say(request(b"x"))
            return ended, (await good.answer())[0]

    assert play(scenario) == (b"", 200)


@pytest.mark.parametrize("value", [b"a\r\nx-evil: b", b"a\nb", b"a\0b"])
def test_a_header_cannot_end_its_line(value: bytes) -> None:
    """Nothing of such an answer goes out."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await respond(send, b"body", (b"x-a", value))

    async def scenario() -> bytes:
        async with served(app) as place:
            client = await place.client()
            await client.say(request())
            return await client.rest()

    assert play(scenario) == b""


@pytest.mark.parametrize("body", [b"short", b"much too long for it"])
def test_a_body_is_as_long_as_it_says(body: bytes) -> None:
    """Otherwise the next answer on this connection would begin in the wrong place."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def scenario() -> bytes:
        async with served(app) as place:
            client = await place.client()
            await client.say(request())
            return await client.rest()

    assert play(scenario) == b""


def test_stopping_lets_answers_end_and_takes_nothing_new() -> None:
    """Who waits idle is closed at once, who is being answered afterwards."""

    async def scenario() -> tuple[bytes, bytes, bool]:
        go, begun = asyncio.Event(), asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/slow":
                begun.set()
                await go.wait()
            await echo(scope, receive, send)

        async with served(app) as place:
            idle, busy = await place.client(), await place.client()
            await idle.say(request(b"1"))
            await idle.answer()
            await busy.say(request(b"2", target="/slow"))
            await begun.wait()
            place.server.stop()
            ended = await idle.rest()
            refused = await is_refused(place)
            go.set()
            return ended, await busy.rest(), refused

    ended, answer, refused = play(scenario)
    assert ended == b""
    assert b"connection: close" in answer
    assert answer.endswith(b"POST /slow? 2")
    assert refused


async def is_refused(place: Place) -> bool:
    """Whether nobody listens any more."""
    with contextlib.suppress(ConnectionError):
        client = await place.client()
        return await client.rest() == b""
    return True
