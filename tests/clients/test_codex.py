"""Codex, headless: its shell, a patch and a tool in a namespace, on both tiers, over Responses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import installed
from tests.clients.sandbox import SECRET, Ran, Sandbox
from tests.clients.sent import check_recorded
from tests.clients.world import World

pytestmark = pytest.mark.slow

CONFIG = """
model = "{model}"
model_provider = "twotier"
check_for_update_on_startup = false

[model_providers.twotier]
name = "twotier"
base_url = "{base_url}/v1"
wire_api = "responses"
env_key = "TWOTIER_KEY"
request_max_retries = 0
stream_max_retries = 0

[features]
plugins = false
apps = false
remote_plugin = false

[analytics]
enabled = false
"""
PATCH = """*** Begin Patch
*** Update File: secret.txt
@@
-the secret word is walnut
+the secret word is "hazel\\nut" 🙂
*** End Patch
"""


def run(sandbox: Sandbox, prompt: str, *, key: str, model: str) -> Ran:
    """One `codex exec` in a home of its own."""
    text = CONFIG.format(model=model, base_url=sandbox.base_url)
    sandbox.write(".codex/config.toml", text)
    flags = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    env = {"TWOTIER_KEY": key}
    return sandbox.run(installed.codex(), "exec", *flags, prompt, env=env)


def answer(ran: Ran) -> str:
    """Its last words; fails if it did not end well, or called anybody else."""
    assert ran.code == 0, ran
    assert ran.called == ""
    items = [line["item"] for line in ran.lines() if line["type"] == "item.completed"]
    said: str = [item["text"] for item in items if item["type"] == "agent_message"][-1]
    assert ran.lines()[-1]["type"] == "turn.completed"
    return said


@pytest.mark.parametrize("model", ["local", "frontier"])
def test_a_command_is_run_and_told(world: World, tmp_path: Path, model: str) -> None:
    """The word lies in a file that only the tool can read."""
    world.plan(("exec_command", {"cmd": "cat secret.txt"}))
    ran = run(world.sandbox(tmp_path), "read secret.txt", key=world.key, model=model)
    said = answer(ran)
    assert said.startswith("The tool said: ")
    assert SECRET in said
    if model == "local":
        check_recorded("codex", ran.sent[-1:])


@pytest.mark.parametrize("model", ["gpt-5.5-local", "gpt-5.5-frontier"])
def test_a_patch_is_applied(world: World, tmp_path: Path, model: str) -> None:
    """`apply_patch` is a custom tool: plain text, not JSON. It is offered to names Codex knows."""
    sandbox = world.sandbox(tmp_path)
    world.plan(("apply_patch", {"input": PATCH}))
    ran = run(sandbox, "change the word", key=world.key, model=model)
    assert "Success" in answer(ran)
    assert sandbox.secret.read_text() == 'the secret word is "hazel\\nut" 🙂\n'
    if model == "gpt-5.5-local":
        check_recorded("codex_known", ran.sent[-1:])


@pytest.mark.parametrize("model", ["local", "frontier"])
def test_a_tool_in_a_namespace_is_called(world: World, tmp_path: Path, model: str) -> None:
    """Other dialects have no namespaces: the name carries it there, and is taken apart again."""
    world.plan(("multi_agent_v1__close_agent", {"target": "nobody"}))
    ran = run(world.sandbox(tmp_path), "go", key=world.key, model=model)
    assert "invalid agent id nobody" in answer(ran)


@pytest.mark.parametrize("model", ["local", "frontier"])
def test_a_command_that_fails_is_told(world: World, tmp_path: Path, model: str) -> None:
    """Two calls, one after the other; the first one's failure is a result like any other."""
    world.plan(
        ("exec_command", {"cmd": "cat nothing.txt"}), ("exec_command", {"cmd": "cat secret.txt"})
    )
    ran = run(world.sandbox(tmp_path), "go", key=world.key, model=model)
    assert SECRET in answer(ran)
    items = [line["item"] for line in ran.lines() if line["type"] == "item.completed"]
    codes = [item["exit_code"] for item in items if item["type"] == "command_execution"]
    assert codes == [1, 0]


def test_a_wrong_key_is_said(world: World, tmp_path: Path) -> None:
    """It ends, and names the reason."""
    ran = run(world.sandbox(tmp_path), "go", key="wrong", model="local")
    assert ran.code == 1
    assert "401" in ran.stdout
