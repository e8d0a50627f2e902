"""Stopping with an answer on its way: it may end, or ends with an error its client sees."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, Service, eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Service]:
    """A frontier that needs a quarter of a second for each word."""
    with FakeAnthropic(pace_seconds=0.25) as fake:
        tiers = FRONTIER.format(base_url=fake.base_url).replace('m25 = "local"', "")
        service = Service(tmp_path, tiers, env={"FRONTIER_KEY": fake.key})
        try:
            service.up(ready="")
            yield service
        finally:
            service.__exit__(None, None, None)


def streamed(service: Service, words: int) -> Iterator[Any]:
    """An answer of that many words, begun."""
    text = "say: " + " ".join(f"word{number}" for number in range(words))
    chunks = iter(
        service.client().chat.completions.create(
            model="frontier", messages=[{"role": "user", "content": text}], stream=True
        )
    )
    next(chunks)
    return chunks


def test_an_answer_that_ends_soon_ends_by_itself(slow: Service) -> None:
    """`up` is told to stop in mid-answer: the client gets all of it, and the exit code is 0."""
    chunks = streamed(slow, 6)
    assert slow.process is not None
    slow.process.send_signal(signal.SIGINT)
    finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert finishes[-1] == "stop"
    assert slow.process.wait(60) == 0
    assert "1 answer is still on the way" in slow.said()


def test_the_second_signal_ends_it_with_an_error_the_client_sees(slow: Service) -> None:
    """An error event of the dialect, no traceback anywhere, everything settled."""
    chunks = streamed(slow, 400)
    assert slow.process is not None
    slow.process.send_signal(signal.SIGINT)
    eventually(lambda: "still on the way" in slow.said())
    slow.process.send_signal(signal.SIGINT)
    with pytest.raises(openai.APIError, match="being stopped"):
        list(chunks)
    assert slow.process.wait(60) == 0
    assert "Traceback" not in slow.said()
    assert "raceback" not in (slow.paths.logs / "main.log").read_text(encoding="utf-8")


def test_a_closed_terminal_stops_it_too(slow: Service) -> None:
    """SIGHUP is a stop like the others."""
    assert slow.process is not None
    os.kill(slow.process.pid, signal.SIGHUP)
    assert slow.process.wait(60) == 0


def test_down_waits_for_an_answer_and_then_ends_it(slow: Service) -> None:
    """`down` in mid-answer: exit 0, and the client of the long answer sees an error."""
    chunks = streamed(slow, 400)
    slow.command("down")
    with pytest.raises(openai.APIError):
        list(chunks)
    assert slow.process is not None
    assert slow.process.wait(60) == 0
