"""A day on which money is spent and a key dies: what a person hears of it, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually
from tests.toys.receiver import Taker

pytestmark = pytest.mark.slow

SECRET = "T0/B0/canary-hook"
ALERTS = """
[tiers.frontier.price]      # five dollars a token: a short answer is a long day
input_usd = 5000000
output_usd = 5000000

[[budgets]]
alert_usd = 15

[alerts]
ping_url = "{url}/ping/uuid"
ping_every = 10

[alerts.channels.hook]
to = "webhook:{url}/{secret}"
"""
CROSSED = "twotier: budget day (threshold"


@contextmanager
def closing(service: Service) -> Iterator[None]:
    """Ended whatever happens; none of its tiers has to be ready."""
    try:
        yield
    finally:
        service.__exit__(None, None, None)


def ask(service: Service) -> None:
    """One paid answer."""
    client = service.client()
    client.chat.completions.create(
        model="frontier", messages=[{"role": "user", "content": "hello"}], max_tokens=20
    )


def test_fifteen_dollars_and_a_dead_key_are_heard_of_once_each(tmp_path: Path) -> None:
    """Main is killed in between. Nothing tells where the messages go."""
    with FakeAnthropic() as frontier, Taker() as taker:
        parts = (
            LOCAL_SERVER.format(base_url="http://127.0.0.1:1/v1"),
            FRONTIER.format(base_url=frontier.base_url),
            ALERTS.format(url=taker.url, secret=SECRET),
        )
        service = Service(tmp_path, *parts, env={"FRONTIER_KEY": frontier.key})
        with closing(service):
            service.up(ready="")
            ask(service)
            crossed = lambda: [title for title in taker.titles if title.startswith(CROSSED)]  # noqa: E731
            eventually(crossed, what="the alert of $15")
            told = [
                method
                for method, _, body in taker.asked
                if str(body.get("title")).startswith(CROSSED)
            ]
            assert told == ["POST"]
            before = service.status()["alerts"]
            assert {one["about"] for one in before} == {"budget day"}
            assert "ALERT since" in service.command("status").stdout
            assert CROSSED in service.said()
            first = list(taker.titles)

            service.kill()
            service.up(ready="")
            eventually(lambda: taker.paths("GET") or None, what="a ping")
            assert service.status()["alerts"][0]["at"] == before[0]["at"]

            key, frontier.key = frontier.key, "another key altogether"
            with pytest.raises(openai.APIStatusError):
                ask(service)
            eventually(lambda: "twotier: frontier (key-rejected)" in taker.titles, what="the key")
            frontier.key = key
            ask(service)
            over = "twotier: frontier (key-rejected) resolved"
            eventually(lambda: over in taker.titles, what="the key's end")
            assert taker.titles[len(first) :] == ["twotier: frontier (key-rejected)", over]

            tested = service.command("notify", "test", "hook").stdout
            assert tested == "hook: delivered; 127.0.0.1 answered with status 200\n"
            assert set(taker.paths("GET")) == {"/ping/uuid"}
            shown = [service.command(*words.split()).stdout for words in COMMANDS]
        logs = [path.read_text() for path in service.paths.logs.glob("*.log")]
        for text in (*shown, *logs, service.said()):
            assert "canary-hook" not in text
            assert "ping/uuid" not in text


COMMANDS = ("status", "status --json", "notify list", "notify list --json", "config show")
