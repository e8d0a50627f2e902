"""`twotier models probe` as a person types it, and what the router makes of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.mind import answer
from tests.fakes.openai_server import FakeOpenAI, Quirk
from tests.matrix.answers import good
from tests.story.service import FRONTIER, LOCAL_SERVER, STARTER, Service, eventually

pytestmark = pytest.mark.slow

TOOL: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}


class World:
    """A service whose local server can be made good or bad at tools."""

    def __init__(self, service: Service, local: FakeOpenAI, frontier: FakeAnthropic) -> None:
        self.service = service
        self.local = local
        self.frontier = frontier

    def probe(self, *more: str) -> dict[str, Any]:
        """As a script reads it."""
        told = self.service.command("models", "probe", "local", "--repeat", "2", *more, "--json")
        found: dict[str, Any] = json.loads(told.stdout)["probe"]
        return found

    def ask(self, model: str, *, tools: bool, text: str = "Check for new mail") -> str:
        """Which tier answers."""
        reply = self.service.client().chat.completions.with_raw_response.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            max_tokens=50,
            tools=[TOOL] if tools else openai.omit,
        )
        return str(reply.headers["x-twotier-tier"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A fake local server behind a real main, and the frontier beside it."""
    folder: Path = tmp_path_factory.mktemp("probe")
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        tiers = LOCAL_SERVER.format(base_url=local.base_url)
        tiers += FRONTIER.format(base_url=frontier.base_url)
        service = Service(folder, tiers, env={"FRONTIER_KEY": frontier.key})
        try:
            service.up(ready="")
            yield World(service, local, frontier)
        finally:
            service.__exit__(None, None, None)


def test_a_tier_that_was_never_probed_says_so_and_gets_everything(world: World) -> None:
    """Today's behaviour, until somebody asks."""
    assert "not probed" in world.service.command("status").stdout
    assert "was not probed" in world.service.command("models", "probe", "local", "--show").stdout
    assert world.ask("local", tools=True) == "local"


def test_a_good_tier_passes_every_row_and_each_question_is_in_the_ledger(world: World) -> None:
    """Through the one path: rows of kind `probe`, which are no requests of anybody."""
    world.local.mind = good
    requests = eventually(lambda: world.service.spend()["local"]["requests"])
    found = world.probe()
    assert {row["row"]: (row["passed"], row["tries"]) for row in found["rows"]} == {
        **dict.fromkeys(("shallow", "middle", "deep"), (1, 1)),
        **dict.fromkeys(("single", "parallel", "agent", "thinking", "cut", "broken"), (2, 2)),
        **dict.fromkeys(("markup", "json", "stop", "window"), (2, 2)),
    }
    assert found["below"] == ""
    assert world.service.spend()["local"]["requests"] == requests
    assert world.service.spend(by="client")["cli"]["output_tokens"] > 0
    assert "fit for tool work" in world.service.command("status").stdout


def test_a_bad_one_is_kept_from_tool_work_with_the_figures_until_it_does_better(
    world: World,
) -> None:
    """With `auto` the frontier does it; an order for it is refused aloud; without tools nothing
    changes; and the next probe is not in its own way.
    """
    world.local.mind = answer
    found = world.probe()
    assert "single 0 %" in found["below"]
    notes = {row["row"]: row["note"] for row in found["rows"]}
    assert notes["single"] == "talked instead of calling"
    with pytest.raises(openai.BadRequestError, match="single 0 %") as refused:
        world.ask("local", tools=True)
    assert "twotier models probe local --show" in str(refused.value)
    assert world.ask("local", tools=False) == "local"
    assert world.ask("auto", tools=True) == "frontier"
    shown = world.service.command("models", "probe", "local", "--show").stdout
    assert "gets no requests with tools" in shown
    assert "talked instead of calling" in shown

    # A restart changes nothing of it.
    world.service.__exit__(None, None, None)
    world.service.process = None
    world.service.up(ready="")
    with pytest.raises(openai.BadRequestError, match="single 0 %"):
        world.ask("local", tools=True)
    world.local.mind = good
    assert world.probe()["below"] == ""
    assert world.ask("local", tools=True) == "local"


def test_an_order_that_makes_no_sense_is_refused(world: World) -> None:
    """An unknown tier, a count nobody means."""
    unknown = world.service.command("models", "probe", "x", code=1)
    assert "there is no tier 'x'; there are: local, frontier" in unknown.stderr
    assert (
        "from 1 to 100"
        in world.service.command("models", "probe", "local", "--repeat", "0", code=1).stderr
    )


def test_a_tier_that_does_not_answer_is_not_judged(world: World) -> None:
    """It is down, which is another thing than bad: nothing is kept."""
    before = world.service.tier("local")["probe"]
    world.local.queue(Quirk.BROKEN, Quirk.BROKEN)
    said = world.service.command("models", "probe", "local", code=1).stderr
    assert "did not answer the first question" in said
    assert world.service.tier("local")["probe"] == before


def test_a_probe_of_a_paid_tier_is_paid_for(world: World) -> None:
    """By the same path as everything: reserved, settled, and never less than its bill."""
    before = world.frontier.billed_microusd
    spent = Decimal(world.service.spend()["frontier"]["cost_usd"])
    told = world.service.command("models", "probe", "frontier", "--repeat", "1", "--json").stdout
    found = json.loads(told)["probe"]
    assert found["model"] == "anthropic/claude-opus-4-6"
    assert {row["row"] for row in found["rows"]} >= {"single", "window", "deep"}
    billed = world.frontier.billed_microusd - before
    assert billed > 0
    cost = Decimal(world.service.spend()["frontier"]["cost_usd"]) - spent
    assert int(cost * 1_000_000) >= billed
    assert Decimal(world.service.spend(by="client")["cli"]["cost_usd"]) == cost


def test_one_at_a_time_and_a_stop_ends_it(tmp_path: Path) -> None:
    """Two would measure each other; and what was left half way counts for nothing."""
    with FakeOpenAI() as local:
        local.queue(Quirk.SILENT)
        service = Service(tmp_path, LOCAL_SERVER.format(base_url=local.base_url))
        service.up(ready="")
        probe = subprocess.Popen(
            (*service.program, "models", "probe", "local"),
            env=service.env,
            cwd=service.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        eventually(lambda: local.bodies, what="the first question")
        second = service.command("models", "probe", "local", code=1)
        assert "being probed already" in second.stderr
        assert service.tier("local")["probe"] is None
        service.__exit__(None, None, None)
        _, said = probe.communicate(timeout=60)
        assert probe.returncode == 1
        assert "being stopped" in said
        eventually(lambda: local.left == 1, what="its server let go")


@pytest.mark.engine
@pytest.mark.timeout(360)
def test_the_starter_is_measured_and_found_too_small_for_tools(tmp_path: Path) -> None:
    """The real server with the real small model, line by line as without a terminal: rates at
    three depths, and the version of the engine.
    """
    starter_engine_environment()
    starter_model()
    small = STARTER.replace("4096", "1024")
    with Service(tmp_path, small) as service:
        said = service.command("models", "probe", "local", "--repeat", "1", seconds=270).stdout
        rows = {line.split()[0]: line for line in said.splitlines() if line}
        for name in ("shallow", "middle", "deep"):
            assert "reads" in rows[name]
            assert "writes" in rows[name]
        assert "0 %" in rows["single"]
        assert "context_length_exceeded" in rows["agent"]  # such a window is no place for agents
        assert "100 %" in rows["cut"]
        assert "gets no requests with tools" in said
        assert "xllamacpp" in said
        assert service.tier("local")["speed"]["answers"] >= 3  # probes teach, too
