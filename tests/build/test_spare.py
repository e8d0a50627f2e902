"""A model of Ollama's that nobody uses goes when memory is tight. Ollama is a fake of its wire."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.local_servers import FakeLmStudio, FakeOllama
from tests.supervisor.machines import HandClock
from twotier.alerts.desk import Alerts
from twotier.build.household import Household
from twotier.build.spare import UNUSED_SECONDS, Spare, may_drop
from twotier.engines import asked
from twotier.engines.base import engine
from twotier.providers.base import Ask, Deadlines
from twotier.providers.scripted import Answer, Scripted

OLLAMA = engine("ollama").traits
ASK = Ask(b"{}", stream=True, deadlines=Deadlines(1, 2, 3, 4))


def spare_of(base_url: str, clock: HandClock, *, model: str = "qwen3:8b") -> Spare:
    """A tier of Ollama's."""
    script = Scripted([Answer((b"a",))] * 3)
    return Spare(script, OLLAMA, base_url=base_url, model=model, now=clock.monotonic)


def test_a_model_that_nobody_of_ours_asks_is_dropped_once() -> None:
    async def scenario(base_url: str) -> list[str]:
        clock = HandClock()
        house = Household(clock, Alerts(clock))
        spare = spare_of(base_url, clock)
        house.spares += [spare, spare_of(base_url, clock, model="another")]
        assert spare.dialect == "openai_chat"
        await spare.ask(ASK)
        said = [await house.spare()]
        clock.turn(UNUSED_SECONDS)
        return [*said, await house.spare(), await house.spare()]

    with FakeOllama() as fake:
        said = asyncio.run(scenario(fake.base_url))
        assert fake.dropped == ["qwen3:8b"]
    assert said == ["", "ollama drops qwen3:8b (6.6 GB), which nobody used", ""]


def test_a_server_that_does_not_answer_or_would_not_has_nothing_to_spare() -> None:
    assert spare_of("http://127.0.0.1:9/v1", HandClock()).give_back() == ""
    with FakeLmStudio() as fake:
        traits = engine("lmstudio").traits
        assert asked.release(traits, fake.base_url, model="qwen/qwen3-8b") is None


@pytest.mark.parametrize(
    ("name", "base_url", "may"),
    [
        ("ollama", "", True),
        ("ollama", "http://[::1]:11434/v1", True),
        ("ollama", "http://10.0.0.7:11434/v1", False),
        ("lmstudio", "", False),  # it would cut answers of others
        ("vllm", "", False),
    ],
)
def test_only_what_helps_this_machine_and_hurts_nobody_is_asked(
    name: str, base_url: str, may: bool
) -> None:
    assert may_drop(engine(name).traits, base_url) is may
