"""opencode, headless: its `read` tool on both tiers, over Chat Completions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients import installed
from tests.clients.sandbox import SECRET, Ran
from tests.clients.sent import check_recorded
from tests.clients.world import World

pytestmark = pytest.mark.slow

QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
}


def run(world: World, folder: Path, *, model: str) -> Ran:
    """One `opencode run` in a home of its own: the turn on `model`, the title always local."""
    program = installed.opencode()
    sandbox = world.sandbox(folder)
    room = {"context": 131_072, "output": 8192}
    models = {name: {"name": name, "limit": room} for name in {model, "local"}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "twotier",
        "options": {"baseURL": f"{sandbox.base_url}/v1", "apiKey": "{env:TWOTIER_KEY}"},
        "models": models,
    }
    config = {
        "autoupdate": False,
        "share": "disabled",
        "model": f"twotier/{model}",
        "small_model": "twotier/local",
        "provider": {"twotier": provider},
    }
    sandbox.write(".config/opencode/opencode.json", json.dumps(config))
    world.plan(("read", {"filePath": str(sandbox.secret)}))
    env = {**QUIET, "TWOTIER_KEY": world.key}
    return sandbox.run(program, "run", "--format", "json", "read secret.txt", env=env)


@pytest.mark.parametrize("model", ["local", "frontier"])
def test_a_file_is_read_and_told(world: World, tmp_path: Path, model: str) -> None:
    """The word lies in a file that only the tool can read; title and turn come at once."""
    ran = run(world, tmp_path, model=model)
    assert ran.code == 0, ran
    said = [event["part"]["text"] for event in ran.lines() if event["type"] == "text"]
    assert "The tool said: " in said[-1]
    assert SECRET in said[-1]
    if model == "local":
        # Two at once, the title and the turn; then the turn with the tool's answer.
        roles = ["assistant", "tool"]
        turns = [[turn["role"] for turn in sent.json()["messages"]] for sent in ran.sent]
        last = [sent for sent, its in zip(ran.sent, turns, strict=True) if its[-2:] == roles]
        title = [sent for sent in ran.sent if "tools" not in sent.json()]
        check_recorded("opencode", [*title, *last])
    # It asks for a plugin of its own in the background, and goes on without.
    assert ran.called.count("\n") <= 1
