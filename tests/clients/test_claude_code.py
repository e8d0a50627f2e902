"""Claude Code, headless: its tools on the frontier, on a local server that speaks Messages, and on
one that speaks Chat Completions only.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients import installed
from tests.clients.sandbox import SECRET, Ran, Sandbox
from tests.clients.sent import check_recorded
from tests.clients.world import World
from twotier.ledger.reports import Reports
from twotier.outside.auditor import matched
from twotier.outside.claude_code import read
from twotier.outside.walk import Place, pieces

pytestmark = pytest.mark.slow

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
}
EVERYWHERE = ("local", "relayed", "claude-opus-4-6")


def run(sandbox: Sandbox, *arguments: str, key: str, model: str, **more: str) -> Ran:
    """One `claude -p` in a home of its own."""
    env = {
        **QUIET,
        "ANTHROPIC_BASE_URL": sandbox.base_url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "ANTHROPIC_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "local",
        **more,
    }
    flags = ("--output-format", "json", "--allowedTools", "Bash(cat:*)")
    return sandbox.run(installed.claude_code(), "-p", *arguments, *flags, env=env)


def answer(ran: Ran) -> str:
    """Its last words; fails if it did not end well, or called anybody else."""
    assert ran.code == 0, ran
    (result,) = ran.lines()
    assert result["is_error"] is False, result
    assert ran.called == ""
    said: str = result["result"]
    return said


def check_its_own_log(world: World, sandbox: Sandbox) -> None:
    """What it wrote down of its session is read, and all of it is known to have come through us."""
    logs = pieces(Place(sandbox.home / ".claude" / "projects", "*.jsonl"), {}, since_seconds=0.0)
    seen = [one for piece in logs for line in piece.lines if (one := read(line))]
    world.served()
    reports = Reports(world.service.paths.ledger)
    ours = reports.read(lambda connection: matched(connection, seen))
    assert len({one.id for one in seen}) >= 2  # the call, and what was made of it
    assert all(one.tokens and one.request_id for one in seen)
    assert set(ours) == {(one.source, one.id) for one in seen}


@pytest.mark.parametrize("model", [*EVERYWHERE, "frontier", "auto"])
def test_a_file_is_read_and_told(world: World, tmp_path: Path, model: str) -> None:
    """The word lies in a file that only the tool can read.

    `frontier` and `auto` are names Claude Code does not know: it then says what it has to say in a
    turn of role `system`, which Opus 4.6 refuses in words that make it say it otherwise.
    """
    sandbox = world.sandbox(tmp_path)
    world.plan(("Read", {"file_path": str(sandbox.secret)}))
    ran = run(sandbox, "read secret.txt", key=world.key, model=model)
    said = answer(ran)
    assert said.startswith("The tool said: ")
    assert SECRET in said
    if model in ("local", "claude-opus-4-6"):
        check_recorded(f"claude_code_{model}", ran.sent[-1:])
        check_its_own_log(world, sandbox)


@pytest.mark.parametrize("model", EVERYWHERE)
def test_a_command_is_run_and_told(world: World, tmp_path: Path, model: str) -> None:
    """As above, with its shell; the key as x-api-key."""
    sandbox = world.sandbox(tmp_path)
    world.plan(("Bash", {"command": "cat secret.txt", "description": "Show the word"}))
    key = {"ANTHROPIC_AUTH_TOKEN": "", "ANTHROPIC_API_KEY": world.key}
    assert SECRET in answer(run(sandbox, "go", key="", model=model, **key))


@pytest.mark.parametrize("model", EVERYWHERE)
def test_a_tool_that_was_searched_for_can_be_called(
    world: World, tmp_path: Path, model: str
) -> None:
    """Most tools are deferred: their schema comes only after the model has searched for them."""
    world.plan(("ToolSearch", {"query": "select:CronList", "max_results": 3}), ("CronList", {}))
    ran = run(world.sandbox(tmp_path), "go", key=world.key, model=model)
    assert answer(ran).startswith("The tool said: No scheduled jobs.")
    if model == "local":
        check_recorded("claude_code_search", ran.sent[-1:])


@pytest.mark.parametrize("model", EVERYWHERE)
def test_a_call_that_fails_is_told(world: World, tmp_path: Path, model: str) -> None:
    """A failed result is a result."""
    sandbox = world.sandbox(tmp_path)
    world.plan(("Read", {"file_path": str(sandbox.work / "nothing.txt")}))
    assert "does not exist" in answer(run(sandbox, "go", key=world.key, model=model))


def test_a_local_server_that_speaks_messages_is_asked_in_messages(
    world: World, tmp_path: Path
) -> None:
    """Relayed as it is, but for the fields that are Anthropic's own."""
    world.plan()
    before = len(world.relayed.bodies)
    ran = run(world.sandbox(tmp_path), "go", key=world.key, model="relayed")
    assert answer(ran)
    assert len(world.relayed.bodies) == before
    for sent in ran.sent:
        asked, said = world.relayed.asked[-1], sent.json()
        assert asked == {**{name: said[name] for name in asked}, "model": "scripted"}
        assert said.keys() - asked.keys() == {"metadata", "context_management", "output_config"}


@pytest.mark.parametrize("model", EVERYWHERE)
def test_it_counts_its_context(world: World, tmp_path: Path, model: str) -> None:
    """`/context` asks for some twenty counts of tokens."""
    ran = run(world.sandbox(tmp_path), "/context", key=world.key, model=model)
    assert "Context Usage" in answer(ran)
    if model == "relayed":
        check_recorded("claude_code_count", ran.sent[:1])


def test_its_settings_do_what_the_page_says(world: World, tmp_path: Path) -> None:
    """No turn of role `system`, no deferred tools, the room that was named: nothing is refused."""
    world.plan()
    more = {
        "CLAUDE_CODE_MODEL_CAPABILITIES": "-mid_conv_system",
        "ENABLE_TOOL_SEARCH": "false",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "8192",
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "131072",
    }
    ran = run(world.sandbox(tmp_path), "go", key=world.key, model="frontier", **more)
    assert answer(ran)
    assert len(ran.sent) <= 1
    for body in [sent.json() for sent in ran.sent]:
        assert "system" not in {turn["role"] for turn in body["messages"]}
        assert not [tool["name"] for tool in body["tools"] if "defer_loading" in tool]
        assert body["max_tokens"] == 8192
    ran = run(world.sandbox(tmp_path / "room"), "/context", key=world.key, model="local", **more)
    assert "131.1k" in answer(ran)


def test_it_finds_the_models(world: World, tmp_path: Path) -> None:
    """Model discovery reads the list as it is."""
    world.plan()
    more = {"CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1"}
    ran = run(world.sandbox(tmp_path), "go", key=world.key, model="local", **more)
    assert answer(ran)
    if ran.sent:
        assert "/v1/models?limit=1000" in {request.target for request in ran.sent}


def test_a_wrong_key_is_said(world: World, tmp_path: Path) -> None:
    """It ends, and names the reason."""
    ran = run(world.sandbox(tmp_path), "go", key="wrong", model="local")
    assert ran.code == 1
    (result,) = ran.lines()
    assert result["is_error"] is True
    assert "401" in result["result"]


def test_a_key_of_its_own_keeps_it_on_this_machine(world: World, tmp_path: Path) -> None:
    """`twotier key add`: whoever has a key for local work only gets no other, whatever it asks."""
    policy = ("--policy", "local-only", "--json")
    made = world.service.command("key", "add", "claude-code", *policy).stdout
    key = json.loads(made)["key"]
    asked = len(world.frontier.bodies)
    sandbox = world.sandbox(tmp_path)
    world.plan(("Read", {"file_path": str(sandbox.secret)}))
    assert SECRET in answer(run(sandbox, "read secret.txt", key=key, model="auto"))
    assert len(world.frontier.bodies) == asked
    refused = run(world.sandbox(tmp_path / "again"), "go", key=key, model="claude-opus-4-6")
    assert refused.code == 1
