"""The parts of the demo by themselves: the clock that is turned, the script, the site."""

from __future__ import annotations

import asyncio
import json
import tomllib
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from twotier.clock import SystemClock
from twotier.config.load import load
from twotier.demo.hands import Hands, TurnedClock
from twotier.demo.mind import BRIEF, ORDER, POST, SAYS, answer
from twotier.demo.model import reply_to
from twotier.demo.scene import laid
from twotier.demo.site import INJECTED, Site
from twotier.domain.message import Text, ToolCall

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("read_file", "send")]


def test_the_hands_turn_the_wall_and_nothing_else(tmp_path: Path) -> None:
    """Two who look at one file see the same; durations stay real."""
    hands = Hands.made(tmp_path / "hands", ahead_seconds=-60.0)
    clock = TurnedClock(Hands(tmp_path / "hands"))
    before, ticks = clock.now(), clock.monotonic()
    assert before < SystemClock().now()
    hands.turn(3_600.0)
    assert timedelta(hours=1) <= clock.now() - before < timedelta(hours=2)
    assert clock.monotonic() - ticks < 3_600.0
    assert clock.now().tzinfo is UTC
    hands.close()


def test_a_sleeper_wakes_when_the_hands_are_turned(tmp_path: Path) -> None:
    """And, where nobody turns them, in real time."""
    hands = Hands.made(tmp_path / "hands", ahead_seconds=0.0)
    clock = TurnedClock(hands)

    async def scenario() -> None:
        sleeper = asyncio.get_running_loop().create_task(clock.sleep(86_400.0))
        await clock.sleep(0.02)
        assert not sleeper.done()
        hands.turn(86_400.0)
        async with asyncio.timeout(30):
            await sleeper

    asyncio.run(scenario())
    hands.close()


def body(text: str, *, tools: bool = False, results: int = 0) -> dict[str, Any]:
    turns = [{"role": "user", "content": text}, *[{"role": "tool", "content": "x"}] * results]
    return {"model": "scripted", "messages": turns, **({"tools": TOOLS} if tools else {})}


def test_the_script_obeys_whoever_writes() -> None:
    """With the tools it reads, then sends, then says what came of it; without them it says so."""
    calls = [answer(body(INJECTED, tools=True, results=n), number=n).parts[0] for n in range(3)]
    read, send, said = calls
    assert isinstance(read, ToolCall)
    assert (read.name, json.loads(read.arguments)) == ("read_file", {"path": "accounts.txt"})
    assert isinstance(send, ToolCall)
    assert send.name == "send"
    assert "account 12-34" in send.arguments
    assert isinstance(said, Text)
    assert said.text.startswith(SAYS)
    (alone,) = answer(body(ORDER), number=1).parts
    assert isinstance(alone, Text)


@pytest.mark.parametrize(("task", "words"), [(BRIEF, 900), (POST, 2_400), ("look", 6)])
def test_every_answer_says_that_it_is_scripted(task: str, words: int) -> None:
    """And is as long as the script has it; its tokens are counted from what is there."""
    whole = answer(body(task), number=1)
    (text,) = whole.parts
    assert isinstance(text, Text)
    assert text.text.startswith(f"{SAYS} ")
    assert len(text.text.split()) == words + 1
    assert whole.usage is not None
    assert whole.usage.output_tokens == len(text.text) // 4


@pytest.mark.parametrize("messages", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_both_wires_are_spoken(messages: bool, stream: bool) -> None:
    """Whole and streamed."""
    said = reply_to({**body("look"), "stream": stream}, number=1, messages=messages)
    content = b"".join(said.chunks)
    end = b"message_stop" if messages else b"[DONE]"
    assert (end in content) == stream
    assert SAYS.encode() in content
    assert said.headers["content-type"].startswith("text/event-stream" if stream else "application")


def test_the_site_serves_and_hears(tmp_path: Path) -> None:
    """A feed that grows, a page that changes, and a phone."""
    site = Site()
    try:
        site.entries.append(("First!", datetime(2026, 3, 2, tzinfo=UTC)))
        site.text = INJECTED
        told = [fetched(site, name) for name in ("feed.xml", "prices.html")]
        assert "<title>First!</title>" in told[0]
        assert ORDER in told[1]
        request = urllib.request.Request(
            f"http://{site.place}/phone",
            b'{"title": "alert"}',
            {"content-type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()
        assert site.heard == [{"path": "/phone", "title": "alert"}]
    finally:
        site.close()


def fetched(site: Site, name: str) -> str:
    with urllib.request.urlopen(f"http://{site.place}/{name}", timeout=30) as response:
        text: str = response.read().decode()
    return text


def test_the_scene_is_a_configuration(tmp_path: Path) -> None:
    """As a person would write it; the key file is its owner's alone."""
    path = laid(tmp_path, site="127.0.0.1:9", frontier_port=8)
    loaded = load(path)
    assert [job.name for job in loaded.config.jobs] == [
        "comments",
        "inbox",
        "prices",
        "brief",
        "post",
    ]
    assert tomllib.loads(path.read_text())["gateway"]["port"] == 0
    assert (tmp_path / "frontier.key").stat().st_mode & 0o077 == 0
