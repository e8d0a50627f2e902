"""What the dashboard's pages ask of main, against the whole program as it runs.

Each says what the command of the same matter says, and no answer holds a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.fakes.anthropic_api import Behaviour, FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.story.service import FRONTIER, LOCAL_SERVER, Service, eventually
from twotier.build.examined import environment
from twotier.config.load import load
from twotier.errors import NotFoundError, RequestError, UsageError

pytestmark = pytest.mark.slow

CHANNELS = """
[alerts.channels.team]
to = "webhook:https://hooks.example.invalid/s3cret-path"
least = "urgent"
"""


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    local: FakeOpenAI
    frontier: FakeAnthropic

    def ask(self, model: str, prompt: str, **more: Any) -> list[dict[str, Any]]:
        """All lines of an answer."""
        body = {"model": model, "prompt": prompt, **more}
        peer = self.service.main
        with peer.exchange("POST", "/control/ask", body=body, seconds=60) as response:
            return [json.loads(line) for line in response.read().splitlines()]

    def chat(self, key: str) -> str:
        """One answer with a client's key."""
        with self.service.client(key=key) as client:
            message = {"role": "user", "content": "say: hi"}
            raw = client.chat.completions.create(model="local", messages=[message], max_tokens=9)  # type: ignore[list-item]
            return str(raw.choices[0].message.content)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A local server, the frontier, and twotier between them."""
    folder = tmp_path_factory.mktemp("desks")
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        parts = (
            LOCAL_SERVER.format(base_url=f"{local.base_url}/v1"),
            FRONTIER.format(base_url=frontier.base_url),
            CHANNELS,
        )
        with Service(folder, *parts, env={"FRONTIER_KEY": frontier.key}) as service:
            yield World(service, local, frontier)


def kinds(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in lines if one["kind"] == kind]


def text(lines: list[dict[str, Any]]) -> str:
    return "".join(one["text"] for one in kinds(lines, "text"))


def test_a_local_answer_comes_in_pieces_and_costs_nothing(world: World) -> None:
    """Head first, then text, then the end as the ledger has it."""
    lines = world.ask("local", "say: one two three four")
    assert [lines[0]["kind"], lines[-1]["kind"]] == ["head", "end"]
    assert (lines[0]["tier"], lines[0]["rule"]) == ("local", "explicit")
    assert len(kinds(lines, "text")) > 1
    assert text(lines) == "one two three four"
    end = lines[-1]
    assert float(end["cost_usd"]) == 0
    assert end["output_tokens"] > 0
    assert end["seconds"] >= end["first_token_seconds"] >= 0


def test_money_needs_a_word_and_what_leaves_this_machine_too(world: World) -> None:
    """Without it nobody there is asked, by any name; with it the cost is what was billed."""
    before = len(world.frontier.bodies)
    for name in ("frontier", "opus", "claude-haiku-4-5"):
        assert [one["kind"] for one in world.ask(name, "say: no")] == ["error"]
    assert text(world.ask("auto", "say: here")) == "here"
    assert len(world.frontier.bodies) == before
    billed = world.frontier.billed_microusd
    lines = world.ask("frontier", "say: hello there", paid=True, output_tokens_max=50)
    assert text(lines) == "hello there"
    assert world.frontier.billed_microusd - billed == round(float(lines[-1]["cost_usd"]) * 1e6) > 0
    assert float(lines[0]["reserved_usd"]) >= float(lines[-1]["cost_usd"])
    assert lines[-1]["estimated"] is False
    assert world.service.spend(by="client")["dashboard"]["requests"] >= 3


def test_what_fails_says_so_and_what_it_cost(world: World) -> None:
    """An error in the stream is the last line, and not an end."""
    world.frontier.queue(Behaviour.BROKEN, Behaviour.BROKEN, Behaviour.BROKEN)
    lines = world.ask("frontier", "say: no", paid=True)
    assert lines[-1]["kind"] == "error"
    assert lines[-1]["message"]
    assert float(lines[-1]["cost_usd"]) == 0
    assert not kinds(lines, "end")
    world.frontier._queue.clear()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"model": "local", "prompt": "  "}, UsageError),
        ({"model": "local", "prompt": "x" * 200_001}, UsageError),
        ({"model": "local", "prompt": "x", "output_tokens_max": 0}, UsageError),
        ({"model": "local", "prompt": "x", "tier": "y"}, RequestError),
        ({"prompt": "x"}, RequestError),
    ],
)
def test_a_question_that_is_none_is_refused(
    world: World, body: Mapping[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        world.service.main.post("/control/ask", body)


def test_a_key_is_made_changed_and_ended_as_by_the_command(world: World) -> None:
    """In force with the answer; the key itself is told once; the command sees the same."""
    main = world.service.main
    made = main.post("/control/keys/add", {"name": "tablet", "policy": "local-only"})
    assert world.chat(made["key"]) == "hi"
    main.post("/control/keys/change", {"name": "tablet", "budget_usd": "2.50", "period": "month"})
    # The row of a free answer is written a moment behind it.
    eventually(lambda: "tablet" in main.get("/control/keys")["used"])
    listed = json.loads(world.service.command("key", "list", "--json").stdout)["keys"]
    told = main.get("/control/keys")
    assert told["keys"] == listed
    assert made["key"] not in json.dumps(told)
    budget = {"limit_usd": "2.5", "period": "month", "at_limit": "stop"}
    assert listed[1]["budget"] == budget
    main.post("/control/keys/change", {"name": "default", "policy": "auto"})
    main.post("/control/keys/remove", {"name": "tablet"})
    with pytest.raises(openai.AuthenticationError):
        world.chat(made["key"])


def test_orders_about_keys_that_cannot_be_are_refused(world: World) -> None:
    main = world.service.main
    for path, body, error in (
        ("add", {"name": "dashboard"}, UsageError),
        ("add", {"name": "Not a name"}, UsageError),
        ("add", {"name": "x", "budget_usd": "much"}, UsageError),
        ("add", {"name": "x", "policy": "everything"}, RequestError),
        ("change", {"name": "nobody"}, NotFoundError),
        ("remove", {"name": "nobody"}, NotFoundError),
        ("remove", {"name": "default"}, UsageError),
    ):
        with pytest.raises(error):
            main.post(f"/control/keys/{path}", body)


def test_the_doctor_and_the_channels_are_those_of_the_commands(world: World) -> None:
    said = json.loads(world.service.command("doctor", "--json").stdout)
    told = world.service.main.get("/control/doctor", seconds=60)
    names = [(one["name"], one["level"]) for one in said["findings"]]
    assert [(one["name"], one["level"]) for one in told["findings"]] == names
    assert told["ok"] is said["ok"]
    listed = json.loads(world.service.command("notify", "list", "--json").stdout)["channels"]
    rows = world.service.main.get("/control/channels")["channels"]
    assert [{name: one[name] for name in listed[0]} for one in rows] == listed
    assert "s3cret" not in json.dumps(rows)


def test_the_doctors_child_hears_that_a_secret_is_there_and_not_what_it_is(world: World) -> None:
    loaded = load(world.service.config)
    ours = {"FRONTIER_KEY": "sk-secret", "OTHER_KEY": "sk-other", "PATH": "/bin", "EMPTY": ""}
    told = environment(loaded, ours)
    assert told == {"FRONTIER_KEY": "set", "PATH": "/bin"}


def test_the_configuration_is_told_with_who_said_it_and_no_secret(world: World) -> None:
    """A file that was changed since the start is told apart from what runs, a broken one named."""
    main, config = world.service.main, world.service.config
    told = main.get("/control/config")
    assert (told["problem"], told["in_force"], told["path"]) == ("", True, str(config))
    rows = {one["path"]: one for one in told["settings"]}
    assert rows["tiers.frontier.model"]["origin"] == "twotier.toml"
    assert rows["gateway.host"]["said"] is False
    assert {"place": "env:FRONTIER_KEY", "there": True, "because": "", "mend": ""} in told[
        "secrets"
    ]
    assert world.frontier.key not in json.dumps(told)
    text = config.read_text()
    try:
        config.write_text(text + "\n[ledger]\nkeep_days = 99\n")
        changed = main.get("/control/config")
        assert (changed["problem"], changed["in_force"]) == ("", False)
        config.write_text(text + "\n[ledger]\nkeep_dyas = 99\n")
        broken = main.get("/control/config")
        assert "keep_dyas" in broken["problem"]
        assert broken["in_force"] is False
        assert broken["settings"]
    finally:
        config.write_text(text)


def test_memory_is_told_and_a_log_that_is_not_ours_is_not(world: World) -> None:
    main = world.service.main
    samples = eventually(lambda: main.get("/control/memory", {"hours": 1})["samples"])
    assert samples[-1]["total_bytes"] > samples[-1]["free_bytes"] > 0
    for hours in ("0", "1000", "soon"):
        with pytest.raises(RequestError):
            main.get("/control/memory", {"hours": hours})
    with pytest.raises(NotFoundError, match="its log with its owner"):
        main.get("/control/engine/local/log")
