"""An `Idempotency-Key` on the level of ASGI: once, again, not yet, not this one, not kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.ledger.toys import HandClock
from twotier.answers import Answers, Bounds
from twotier.domain.task import Caller
from twotier.errors import KeyReusedError, RequestError, UnderWayError
from twotier.gateway.asgi import Call, Message, read_body, respond
from twotier.gateway.repeats import KEY_CHARACTERS_MAX, REPLAYED, Repeats

BOUNDS = Bounds(86_400.0, 100, 10_000)


class Model:
    """A handler that counts, waits if told, and answers in pieces or in one."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.streams = False
        self.fails = False
        self.breaks = False
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, call: Call) -> None:
        """Answer with the number of the call, so that a second answer shows."""
        self.bodies.append(await read_body(call.scope, call.receive, bytes_max=10_000))
        if self.fails:
            await respond(call.send, 503, body=b"down", headers=[])
            return
        if call.heard is not None:
            call.heard(lambda: not self.breaks)
        text = b"answer %d" % len(self.bodies)
        if not self.streams:
            await self.go_on.wait()
            await respond(call.send, 200, body=text, headers=[(b"x-cost", b"1")])
            return
        await call.send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (text, b" and", b" more"):
            await call.send({"type": "http.response.body", "body": piece, "more_body": True})
            await self.go_on.wait()
        await call.send({"type": "http.response.body", "body": b""})


class Client:
    """What one client sends and sees."""

    def __init__(self, repeats: Repeats, model: Model) -> None:
        self.model = model
        self.handler = repeats.once(model)

    async def ask(
        self, key: str = "k", body: bytes = b"{}", *, path: str = "/v1/x", client: str = "a"
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body of the answer; raises what the handler raises."""
        sent: list[Message] = []
        asked: list[Message] = [{"type": "http.request", "body": body}]

        async def receive() -> Message:
            return asked.pop() if asked else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"idempotency-key", key.encode())] if key else []
        scope = {"type": "http", "path": path, "query_string": b"", "headers": headers}
        await self.handler(Call(scope, receive, send, Caller(client=client)))
        if not sent:
            return 0, [], b""
        start, *bodies = sent
        whole = b"".join(message["body"] for message in bodies)
        return start["status"], start["headers"], whole


Story = Callable[[Client], Awaitable[None]]


def play(folder: Path, story: Story, *, bounds: Bounds = BOUNDS) -> None:
    """A store, a model, a client."""

    async def run() -> None:
        answers = Answers(folder / "answers.db", bounds, clock=HandClock())
        try:
            await story(Client(Repeats(answers, body_bytes_max=1_000), Model()))
        finally:
            answers.close()

    asyncio.run(run())


@pytest.mark.parametrize("streams", [False, True])
def test_a_finished_answer_is_sent_again_byte_for_byte(tmp_path: Path, streams: bool) -> None:
    """Head and body are those of the first, and one header more says that it is a copy."""

    async def story(client: Client) -> None:
        client.model.streams = streams
        first = await client.ask()
        status, headers, body = await client.ask()
        assert (status, headers, body) == (first[0], [*first[1], REPLAYED], first[2])
        assert client.model.bodies == [b"{}"]

    play(tmp_path, story)


def test_without_a_key_nothing_is_kept(tmp_path: Path) -> None:
    """Every request is a new one, and no file is made."""

    async def story(client: Client) -> None:
        await client.ask("")
        assert (await client.ask(""))[2] == b"answer 2"

    play(tmp_path, story)
    assert not list(tmp_path.iterdir())


def test_keys_and_clients_are_told_apart(tmp_path: Path) -> None:
    """A key of one client says nothing about another's."""

    async def story(client: Client) -> None:
        await client.ask("k")
        assert (await client.ask("l"))[2] == b"answer 2"
        assert (await client.ask("k", client="b"))[2] == b"answer 3"
        assert (await client.ask("k"))[2] == b"answer 1"

    play(tmp_path, story)


@pytest.mark.parametrize("streams", [False, True])
def test_while_the_first_is_answered_the_second_hears_so(tmp_path: Path, streams: bool) -> None:
    """409 and when to come back; and then it is there."""

    async def story(client: Client) -> None:
        client.model.streams = streams
        client.model.go_on.clear()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(client.ask())
            while not client.model.bodies:  # noqa: ASYNC110 - the model is not ours to wait on
                await asyncio.sleep(0)
            with pytest.raises(UnderWayError) as refused:
                await client.ask()
            assert refused.value.retry_after_seconds
            with pytest.raises(KeyReusedError):
                await client.ask(body=b"[]")
            client.model.go_on.set()
        assert (await client.ask())[2] == first.result()[2]

    play(tmp_path, story)


def test_two_that_come_together_are_asked_once(tmp_path: Path) -> None:
    """Neither finds an answer, and still only one of them goes on."""

    async def story(client: Client) -> None:
        both = await asyncio.gather(client.ask(), client.ask(), return_exceptions=True)
        assert sum(isinstance(one, UnderWayError) for one in both) == 1
        assert len(client.model.bodies) == 1

    play(tmp_path, story)


def test_a_key_for_another_request_is_a_mistake(tmp_path: Path) -> None:
    """Another body, another path: 422, and the model is not asked."""

    async def story(client: Client) -> None:
        await client.ask()
        with pytest.raises(KeyReusedError):
            await client.ask(body=b"[]")
        with pytest.raises(KeyReusedError):
            await client.ask(path="/v1/y")
        assert len(client.model.bodies) == 1

    play(tmp_path, story)


@pytest.mark.parametrize("trouble", ["fails", "breaks"])
@pytest.mark.parametrize("streams", [False, True])
def test_what_went_wrong_is_tried_anew(tmp_path: Path, trouble: str, streams: bool) -> None:
    """An error and a broken answer are not kept."""

    async def story(client: Client) -> None:
        client.model.streams = streams
        setattr(client.model, trouble, True)
        await client.ask()
        setattr(client.model, trouble, False)
        assert (await client.ask())[2].startswith(b"answer 2")

    play(tmp_path, story)


def test_an_answer_whose_client_left_is_tried_anew(tmp_path: Path) -> None:
    """Cancelled in mid-answer: nothing is kept, and the key is free again."""

    async def story(client: Client) -> None:
        client.model.go_on.clear()
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(client.ask())
            while not client.model.bodies:  # noqa: ASYNC110 - the model is not ours to wait on
                await asyncio.sleep(0)
            leaving.cancel()
        client.model.go_on.set()
        assert (await client.ask())[2] == b"answer 2"

    play(tmp_path, story)


def test_an_answer_too_large_to_keep_is_passed_on(tmp_path: Path) -> None:
    """It is given, and the next one is a new one."""

    async def story(client: Client) -> None:
        client.model.streams = True
        assert (await client.ask())[2] == b"answer 1 and more"
        assert (await client.ask())[2] == b"answer 2 and more"

    play(tmp_path, story, bounds=Bounds(86_400.0, 100, 10))


def test_a_key_has_a_length(tmp_path: Path) -> None:
    """Whatever is longer is no key."""

    async def story(client: Client) -> None:
        with pytest.raises(RequestError, match="at most"):
            await client.ask("k" * (KEY_CHARACTERS_MAX + 1))

    play(tmp_path, story)


def test_a_client_that_leaves_with_its_body_is_gone(tmp_path: Path) -> None:
    """No answer, no error."""

    async def story(client: Client) -> None:
        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            raise AssertionError(message)

        scope = {"headers": [(b"idempotency-key", b"k")]}
        await client.handler(Call(scope, receive, send, Caller()))
        assert not client.model.bodies

    play(tmp_path, story)
