"""An upstream that dies, refuses, is overloaded: who is asked then, how often, and what SDKs do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.fakes.anthropic_api import Behaviour, FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI, Raw
from tests.story.service import FRONTIER, STARTER, Service, eventually
from twotier.router.breaker import FAILING_SECONDS

pytestmark = pytest.mark.slow

LOCAL = """
[tiers.local]
engine = "openai"
model = "somebody-elses"
base_url = "{base_url}"
"""
POLL: list[Any] = [{"role": "user", "content": "Check for new comments. say: none"}]
LOADING = Raw((b'{"error":{"message":"loading","type":"unavailable_error"}}',), status=503)


@pytest.fixture
def frontier() -> Iterator[FakeAnthropic]:
    """One that asks to be left alone for a second when it refuses."""
    with FakeAnthropic(retry_after="1") as fake:
        yield fake


def program(folder: Path, frontier: FakeAnthropic, *, local: str) -> Service:
    """Both tiers, neither of them kept."""
    parts = (LOCAL.format(base_url=local), FRONTIER.format(base_url=frontier.base_url))
    return Service(folder, *parts, env={"FRONTIER_KEY": frontier.key})


def headers(client: openai.OpenAI, model: str = "auto") -> dict[str, str]:
    """The headers of one answer."""
    raw = client.chat.completions.with_raw_response.create(model=model, messages=POLL, max_tokens=8)
    return dict(raw.headers)


def test_a_dead_local_tier_is_tried_once(tmp_path: Path, frontier: FakeAnthropic) -> None:
    """It was there and is gone: the frontier answers, and only the first request has looked."""
    fake = FakeOpenAI()
    fake.__enter__()
    with program(tmp_path, frontier, local=fake.base_url) as service:
        client = service.client()
        assert headers(client)["x-twotier-tier"] == "local"
        fake.__exit__(None, None, None)
        first = headers(client)
        assert first["x-twotier-tier"] == "frontier"
        assert "local: http://127.0.0.1" in first["x-twotier-fallback"]
        for _ in range(2):
            later = headers(client)
            assert later["x-twotier-tier"] == "frontier"
            assert "x-twotier-fallback" not in later
        told = service.tier("local")
        assert told["state"] == "down"
        assert "asked again in" in told["because"]
        with pytest.raises(openai.InternalServerError) as refused:
            headers(client, "local")
        assert refused.value.status_code == 503
        assert 1 <= int(refused.value.response.headers["retry-after"]) <= 30
        # One that was answered and one that found nobody: the rest did not look.
        eventually(lambda: service.spend()["local"]["attempts"] >= 2)
        assert service.spend()["local"]["attempts"] == 2


def test_a_server_that_answers_503_is_left_alone_after_five(
    tmp_path: Path, frontier: FakeAnthropic
) -> None:
    """Loading, says somebody else's server: every request is answered, and five have asked it."""
    with FakeOpenAI() as fake:
        fake.queue(*[LOADING] * 20)
        with program(tmp_path, frontier, local=fake.base_url) as service:
            client = service.client()
            for _ in range(5):
                assert headers(client)["x-twotier-tier"] == "frontier"
                time.sleep(FAILING_SECONDS / 4)
            assert len(fake.bodies) == 5
            for _ in range(3):
                assert headers(client)["x-twotier-tier"] == "frontier"
            assert len(fake.bodies) < 8


def test_our_tries_are_not_multiplied_by_the_clients(
    tmp_path: Path, frontier: FakeAnthropic
) -> None:
    """SDKs send three requests by themselves; told that ours are spent they send one, so two."""
    with FakeOpenAI() as fake, program(tmp_path, frontier, local=fake.base_url) as service:
        sdk = service.client().with_options(max_retries=2)
        frontier.queue(*[Behaviour.OVERLOADED] * 6)
        with pytest.raises(openai.InternalServerError) as spent:
            headers(sdk, "frontier")
        assert spent.value.status_code == 529
        assert spent.value.response.headers["x-should-retry"] == "false"
        assert spent.value.response.headers["retry-after"] == "1"
        assert len(frontier.bodies) == 2


def test_a_wait_too_long_for_us_is_the_clients(tmp_path: Path) -> None:
    """A minute: handed on at once with its header, and nothing was tried twice."""
    with (
        FakeAnthropic(retry_after="60") as frontier,
        FakeOpenAI() as fake,
        program(tmp_path, frontier, local=fake.base_url) as service,
    ):
        frontier.queue(Behaviour.RATE_LIMITED)
        with pytest.raises(openai.RateLimitError) as limited:
            headers(service.client(), "frontier")
        assert limited.value.response.headers["retry-after"] == "60"
        assert "x-should-retry" not in limited.value.response.headers
        assert len(frontier.bodies) == 1


def test_a_short_wait_is_ours(tmp_path: Path, frontier: FakeAnthropic) -> None:
    """429 for a second: the client sees an answer, and what it took in the header."""
    with FakeOpenAI() as fake, program(tmp_path, frontier, local=fake.base_url) as service:
        frontier.queue(Behaviour.RATE_LIMITED, None)
        told = headers(service.client(), "frontier")
        assert told["x-twotier-tier"] == "frontier"
        assert "429" in told["x-twotier-fallback"]
        assert len(frontier.bodies) == 2


@pytest.mark.engine
def test_a_killed_engine_is_not_waited_for_where_the_frontier_may_answer(
    tmp_path: Path, frontier: FakeAnthropic
) -> None:
    """From the kill until it is ready again the frontier answers; then it is the first choice."""
    starter_engine_environment()
    starter_model()
    parts = (STARTER, FRONTIER.format(base_url=frontier.base_url))
    with Service(tmp_path, *parts, env={"FRONTIER_KEY": frontier.key}) as service:
        client = service.client()
        assert headers(client)["x-twotier-tier"] == "local"
        os.kill(service.tier("local")["pid"], signal.SIGKILL)
        assert headers(client)["x-twotier-tier"] == "frontier"
        eventually(lambda: headers(client)["x-twotier-tier"] == "local")


def test_every_error_names_its_request(tmp_path: Path, frontier: FakeAnthropic) -> None:
    """Both SDKs find the id, the log has it, and so has the ledger where somebody was asked."""
    with (
        FakeOpenAI() as fake,
        program(tmp_path, frontier, local=fake.base_url) as service,
        claude(service) as sdk,
    ):
        client = service.client()
        frontier.queue(*[Behaviour.BROKEN] * 2)
        found = [
            refused(lambda: headers(client, "nobody-knows-it")),
            refused(lambda: headers(service.client(key="tt-wrong"))),
            refused(lambda: headers(client, "frontier")),
            refused(lambda: client.get("/nowhere", cast_to=object)),
            refused(lambda: sdk.messages.create(model="nobody", max_tokens=9, messages=POLL)),
        ]
        assert all(one.startswith("req_") for one in found)
        assert len(set(found)) == len(found)
        log = (service.paths.logs / "main.log").read_text(encoding="utf-8")
        assert all(one in log for one in found)
        raw = client.chat.completions.with_raw_response.create(model="local", messages=POLL)
        assert raw.headers["x-request-id"] == raw.headers["request-id"]
        assert raw.headers["x-request-id"] == raw.headers["x-twotier-request"]


def claude(service: Service) -> anthropic.Anthropic:
    """The other official SDK."""
    key = service.paths.client_key.read_text(encoding="ascii").strip()
    return anthropic.Anthropic(base_url=service.status()["address"], api_key=key, max_retries=0)


def refused(ask: Callable[[], object]) -> str:
    """The id of a request that is refused, as its SDK reads it."""
    caught: openai.APIStatusError | anthropic.APIStatusError | None = None
    try:
        ask()
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        caught = error
    assert caught is not None, "it was not refused"
    assert caught.request_id == caught.response.headers["x-twotier-request"]
    return caught.request_id or ""
