"""A request sent twice under one `Idempotency-Key`, as the official SDK sends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.fakes.anthropic_api import Behaviour, FakeAnthropic
from tests.story.service import FRONTIER, Service

pytestmark = pytest.mark.slow

World = tuple[Service, FakeAnthropic]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The frontier alone; it takes a moment for each event, and asks for no wait when it fails."""
    folder = tmp_path_factory.mktemp("idempotency")
    with FakeAnthropic(pace_seconds=0.05, retry_after="1") as fake:
        tiers = FRONTIER.format(base_url=fake.base_url).replace('m25 = "local"', "")
        service = Service(folder, tiers, env={"FRONTIER_KEY": fake.key})
        try:
            service.up(ready="")
            yield service, fake
        finally:
            service.__exit__(None, None, None)


def ask(
    service: Service, key: str, text: str = "say: one two three", *, retries: int = 0, **more: Any
) -> tuple[dict[str, str], bytes]:
    """Headers and bytes of one answer."""
    client = service.client().with_options(max_retries=retries)
    with client.chat.completions.with_streaming_response.create(
        model="frontier",
        messages=[{"role": "user", "content": text}],
        extra_headers={"Idempotency-Key": key} if key else None,
        **more,
    ) as raw:
        return {name.lower(): value for name, value in raw.headers.items()}, raw.read()


def copies(headers: dict[str, str]) -> dict[str, str]:
    """The headers that must be the same in a repetition: all but the server's own."""
    own = ("date", "x-twotier-replayed", "transfer-encoding", "content-length", "connection")
    return {name: value for name, value in headers.items() if name not in own}


def test_a_plain_request_of_an_sdk_leaves_nothing_behind(world: World) -> None:
    """SDKs send no such key by themselves, not even when they retry."""
    service, fake = world
    fake.queue(Behaviour.OVERLOADED, Behaviour.OVERLOADED)
    with pytest.raises(openai.InternalServerError):
        ask(service, "", retries=1)
    assert not {name for headers in fake.headers for name in headers if "idempotency" in name}
    assert "x-twotier-replayed" not in ask(service, "")[0]
    assert not service.paths.answers.exists()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_finished_answer_comes_again_and_costs_nothing(world: World, streamed: bool) -> None:
    """Byte for byte, with its headers; the frontier is asked once."""
    service, fake = world
    asked, key = len(fake.bodies), f"again-{streamed}"
    first, body = ask(service, key, stream=streamed)
    second, copy = ask(service, key, stream=streamed)
    assert copy == body
    assert copies(second) == copies(first)
    assert second["x-twotier-replayed"] == "true"
    assert "x-twotier-replayed" not in first
    assert len(fake.bodies) == asked + 1
    assert service.paths.answers.stat().st_mode & 0o077 == 0


def test_another_body_under_the_same_key_is_refused(world: World) -> None:
    """422: the client has mixed something up."""
    service, _ = world
    ask(service, "mixed-up")
    with pytest.raises(openai.UnprocessableEntityError, match="use a new key"):
        ask(service, "mixed-up", "say: something else")


def test_an_sdk_that_asks_too_early_waits_and_gets_the_answer(world: World) -> None:
    """409 while the first runs; told when to come back, the SDK's own retry finds the answer."""
    service, fake = world
    asked = len(fake.bodies)
    text = "say: " + "word " * 12
    first: list[bytes] = []
    asking = threading.Thread(target=lambda: first.append(ask(service, "early", text)[1]))
    asking.start()
    fake.wait_for(lambda: len(fake.bodies) > asked)
    with pytest.raises(openai.ConflictError):
        ask(service, "early", text)
    headers, copy = ask(service, "early", text, retries=5)
    asking.join(60)
    assert (headers["x-twotier-replayed"], [copy]) == ("true", first)
    assert len(fake.bodies) == asked + 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("trouble", [Behaviour.BROKEN, Behaviour.CUT, Behaviour.CLEAN_CUT])
def test_what_failed_is_tried_anew(world: World, trouble: Behaviour, streamed: bool) -> None:
    """An error before the answer or in it is not kept: the same key asks again."""
    service, fake = world
    key, text = f"{trouble}-{streamed}", "say: one two three four five six"
    fake.queue(*[trouble] * (2 if trouble is Behaviour.BROKEN else 1))
    assert fails(service, key, text, stream=streamed)
    headers, body = ask(service, key, text, stream=streamed)
    assert "x-twotier-replayed" not in headers
    assert b"six" in body


def fails(service: Service, key: str, text: str, **more: Any) -> bool:
    """Whether it ends in an error, before the first byte or after it."""
    try:
        return b'"error"' in ask(service, key, text, **more)[1]
    except openai.APIError:
        return True


def test_an_answer_survives_the_death_of_the_program(world: World) -> None:
    """SIGKILL, a new start, the same key: the same bytes, and nobody is asked."""
    service, fake = world
    _, body = ask(service, "survivor", stream=True)
    asked = len(fake.bodies)
    service.kill()
    service.up(ready="")
    headers, copy = ask(service, "survivor", stream=True)
    assert (headers["x-twotier-replayed"], copy) == ("true", body)
    assert len(fake.bodies) == asked


def test_a_request_that_was_killed_is_tried_anew(world: World) -> None:
    """Nothing was kept of it, and its key is not locked."""
    service, fake = world
    asked = len(fake.bodies)
    text = "say: " + "word " * 40
    asking = threading.Thread(target=lambda: fails(service, "killed", text))
    asking.start()
    fake.wait_for(lambda: len(fake.bodies) > asked)
    service.kill()
    asking.join(60)
    service.up(ready="")
    headers, _ = ask(service, "killed", text)
    assert "x-twotier-replayed" not in headers


def test_no_key_and_no_prompt_can_be_read_in_the_file(world: World) -> None:
    """Who asked and what for is kept as digests only; what was answered is all there is."""
    service, _ = world
    folder: Path = service.folder
    ask(service, "a-secret-key", "my password is swordfish; say: nothing")
    assert service.paths.answers.exists()
    for path in folder.rglob("answers.db*"):
        held = path.read_bytes()
        assert b"a-secret-key" not in held
        assert b"swordfish" not in held
