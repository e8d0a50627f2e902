"""More requests than a tier works on at a time, against the whole program as it runs."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.gate import Gate
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually
from twotier.cli.client import UnixConnection

pytestmark = pytest.mark.slow

SLOTS = "slots = 2\nwaiting_max = 3\n"
CALL = {"max_tokens": 8}


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    local: Gate
    threads: ThreadPoolExecutor

    def asks(self, text: str, *, key: str = "", model: str = "local") -> Future[dict[str, str]]:
        """A request under way; its headers in the end. Returns once it is seen in the status."""
        before = self.busy()
        answer = self.threads.submit(self.chat, text, key, model)
        eventually(lambda: self.busy() != before or answer.done(), what=text)
        return answer

    def chat(self, text: str, key: str, model: str) -> dict[str, str]:
        client = self.service.client(key=key)
        messages: Any = [{"role": "user", "content": f"say: {text}"}]
        raw = client.chat.completions.with_raw_response.create(
            model=model, messages=messages, max_tokens=8
        )
        return dict(raw.headers)

    def job_asks(self, text: str) -> Future[int]:
        """The same from a job, as the worker asks for it; the status in the end."""
        before = self.busy()
        answer = self.threads.submit(self.as_worker, text)
        eventually(lambda: self.busy() != before or answer.done(), what=text)
        return answer

    def as_worker(self, text: str) -> int:
        body = {"model": "local", "messages": [{"role": "user", "content": f"say: {text}"}], **CALL}
        headers = {"content-type": "application/json", "x-twotier-job": "brief"}
        with closing(UnixConnection(self.service.paths.main_socket, 60.0)) as connection:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            response = connection.getresponse()
            response.read()
            return response.status

    def busy(self) -> tuple[int, int]:
        """Slots taken, requests waiting."""
        slots = self.service.tier("local")["slots"]
        return slots["in_use"], slots["waiting"]

    def let_all_go(self) -> None:
        """Answer one after the other until nobody is left."""
        while eventually(self.settled) != (0, 0):
            self.let_one_go(self.local.gone + 1)

    def let_one_go(self, gone: int) -> None:
        """Answer the oldest; then so many have gone."""
        self.local.let_go()
        self.local.wait_for(lambda: self.local.gone == gone)

    def settled(self) -> tuple[int, int] | None:
        """The slots, once everybody who has one has arrived."""
        busy = self.busy()
        return busy if busy[0] == self.local.inside else None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A local tier with two slots and room for three, and a frontier that is always free."""
    folder = tmp_path_factory.mktemp("slots")
    with Gate() as local, FakeAnthropic() as frontier, ThreadPoolExecutor(12) as threads:
        tiers = (
            LOCAL_SERVER.format(base_url=f"{local.base_url}/v1") + SLOTS,
            FRONTIER.format(base_url=frontier.base_url),
        )
        service = Service(folder, *tiers, env={"FRONTIER_KEY": frontier.key})
        try:
            service.up(ready="")
            yield World(service, local, threads)
        finally:
            service.__exit__(None, None, None)


def test_two_are_inside_three_wait_and_the_next_is_told_when_to_come(world: World) -> None:
    """Both SDKs read it as a limit of rate; auto goes to the frontier; all others are answered."""
    texts = [f"number {n}" for n in range(5)]
    answers = [world.asks(text) for text in texts]
    eventually(lambda: world.busy() == (2, 3))
    assert "2 of 2 slots taken, 3 waiting" in world.service.command("status").stdout
    with pytest.raises(openai.RateLimitError) as full:
        world.chat("one too many", "", "local")
    assert full.value.code == "queue_full"
    assert 1 <= int(full.value.response.headers["retry-after"]) <= 60
    assert "x-should-retry" not in full.value.response.headers
    key = world.service.paths.client_key.read_text(encoding="ascii").strip()
    address = world.service.status()["address"]
    messages: Any = [{"role": "user", "content": "x"}]
    with (
        anthropic.Anthropic(base_url=address, api_key=key, max_retries=0) as sdk,
        pytest.raises(anthropic.RateLimitError) as limited,
    ):
        sdk.messages.create(model="local", max_tokens=9, messages=messages)
    assert limited.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index]
    told = world.chat("check for new mail: one that may go elsewhere", "", "auto")
    assert told["x-twotier-tier"] == "frontier"
    world.let_all_go()
    assert [answer.result(10)["x-twotier-tier"] for answer in answers] == ["local"] * 5
    assert world.local.inside_max == 2
    eventually(lambda: world.busy() == (0, 0))


def test_clients_take_turns(world: World) -> None:
    """One key asks for four, the other for one: it is the second of those that waited."""
    other = world.service.command("key", "add", "other").stdout.split()[-1]
    world.local.came.clear()
    answers = [world.asks(f"mine {n}") for n in range(4)]
    answers.append(world.asks("theirs", key=other))
    world.let_all_go()
    for answer in answers:
        answer.result(10)
    assert [text.removeprefix("say: ") for text in world.local.came] == [
        *("mine 0", "mine 1"),
        *("mine 2", "theirs", "mine 3"),
    ]


def test_somebody_at_a_keyboard_goes_before_a_job(world: World) -> None:
    """The job was there first, and is answered last."""
    world.local.came.clear()
    answers = [world.asks("one"), world.asks("two")]
    job = world.job_asks("brief")
    answers.append(world.asks("three"))
    world.let_all_go()
    assert job.result(10) == 200
    for answer in answers:
        answer.result(10)
    came = [text.removeprefix("say: ") for text in world.local.came]
    assert came == ["one", "two", "three", "brief"]


def test_a_client_that_leaves_the_line_makes_room_within_a_second(world: World) -> None:
    """It never reaches the server, and its place is the next one's."""
    world.local.came.clear()
    answers = [world.asks("first"), world.asks("second")]
    connection = http.client.HTTPConnection(urlsplit(world.service.status()["address"]).netloc)
    with closing(connection):
        key = world.service.paths.client_key.read_text(encoding="ascii").strip()
        body = {"model": "local", "messages": [{"role": "user", "content": "say: left"}], **CALL}
        headers = {"authorization": f"Bearer {key}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        eventually(lambda: world.busy() == (2, 1))
    eventually(lambda: world.busy() == (2, 0))
    world.let_all_go()
    for answer in answers:
        answer.result(10)
    assert "say: left" not in world.local.came


def test_the_slots_are_metrics(world: World) -> None:
    """Three gauges, of the tier that has slots."""
    client = world.service.client()
    address = world.service.status()["address"]
    page = client.get(f"{address}/metrics", cast_to=str)
    assert 'twotier_slots{tier="local"} 2' in page
    assert 'twotier_slots_in_use{tier="local"} 0' in page
    assert 'twotier_requests_waiting{tier="local"} 0' in page
    assert 'twotier_slots{tier="frontier"}' not in page
