"""What `twotier connect` writes is enough: the real clients run with it and with nothing else.

Each home holds settings of its owner's before; they are there after `--undo`, byte for byte.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.clients import installed
from tests.clients.plan import Plan
from tests.clients.sandbox import SECRET, Ran, Sandbox
from tests.clients.test_claude_code import QUIET as CLAUDE_QUIET
from tests.clients.test_opencode import QUIET as OPENCODE_QUIET
from tests.clients.world import World
from tests.fakes.mind import Said, Thought

pytestmark = pytest.mark.slow

SECONDS_MAX = 150.0
WAIT = "WaitForMcpServers"
HOMES = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "LLM_USER_PATH", "OPENCODE_CONFIG", "XDG_CONFIG_HOME")


def connect(world: World, sandbox: Sandbox, *words: str, code: int = 0) -> dict[str, Any]:
    """The command, for the person whose home the sandbox is."""
    env = {name: value for name, value in world.service.env.items() if name not in HOMES}
    kept, world.service.env = world.service.env, {**env, "HOME": str(sandbox.home)}
    try:
        done = world.service.command("connect", *words, "--json", code=code)
    finally:
        world.service.env = kept
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def tried(told: dict[str, Any], wire: str) -> None:
    """The round trip went to the local tier, for nothing."""
    assert told["test"].items() >= {"wire": wire, "tier": "local", "cost": "$0.00"}.items()
    assert told["test"]["text"]


def last_text(ran: Ran) -> str:
    """What Codex said."""
    items = [line["item"] for line in ran.lines() if line["type"] == "item.completed"]
    said: str = [item["text"] for item in items if item["type"] == "agent_message"][-1]
    return said


def test_codex(world: World, tmp_path: Path) -> None:
    """A profile beside what there is; its key comes from the key file by a command."""
    sandbox = world.sandbox(tmp_path)
    mine = sandbox.write(".codex/config.toml", '# mine\nmodel = "gpt-6"\n')
    told = connect(world, sandbox, "codex", "--write", "--test")
    tried(told, "/v1/responses")
    world.plan(("exec_command", {"cmd": "cat secret.txt"}))
    flags = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    ran = sandbox.run(
        installed.codex(),
        "exec",
        "-p",
        "twotier",
        *flags,
        "read secret.txt",
        seconds_max=SECONDS_MAX,
    )
    assert ran.code == 0, ran
    assert SECRET in last_text(ran)
    assert connect(world, sandbox, "codex", "--undo")["key"] == told["key"]
    assert mine.read_text().startswith('# mine\nmodel = "gpt-6"\n')
    assert not (sandbox.home / ".codex" / "twotier.config.toml").exists()
    assert told["key"] not in world.service.command("key", "list").stdout


def test_opencode(world: World, tmp_path: Path) -> None:
    """With `--all` its model and its small one are ours; the comments of its file stay."""
    sandbox = world.sandbox(tmp_path)
    mine = '{\n  // mine\n  "autoupdate": false, "share": "disabled"\n}\n'
    path = sandbox.write(".config/opencode/opencode.jsonc", mine)
    tried(connect(world, sandbox, "opencode", "--all", "--write", "--test"), "/v1/chat/completions")
    assert "// mine" in path.read_text()
    world.plan(("read", {"filePath": str(sandbox.secret)}))
    flags = ("run", "--format", "json", "read secret.txt")
    ran = sandbox.run(installed.opencode(), *flags, env=OPENCODE_QUIET, seconds_max=SECONDS_MAX)
    assert ran.code == 0, ran
    said = [event["part"]["text"] for event in ran.lines() if event["type"] == "text"]
    assert SECRET in said[-1]
    connect(world, sandbox, "opencode", "--undo")
    assert "twotier" not in path.read_text()
    assert "// mine" in path.read_text()


def test_llm(world: World, tmp_path: Path) -> None:
    """A model of ours and a key among its keys."""
    python = installed.llm()
    sandbox = world.sandbox(tmp_path)
    keys = sandbox.write(".config/io.datasette.llm/keys.json", '{"openai": "mine"}')
    told = connect(world, sandbox, "llm", "--write", "--test")
    tried(told, "/v1/chat/completions")
    world.plan()
    ran = sandbox.run(python, "-m", "llm", "-m", "twotier-local", "go", seconds_max=SECONDS_MAX)
    assert ran.code == 0, ran
    assert ran.stdout.strip()
    connect(world, sandbox, "llm", "--undo")
    assert keys.read_text() == '{"openai": "mine"}'
    assert not keys.with_name("extra-openai-models.yaml").exists()


class Patient(Plan):
    """A plan whose tools come from a server that may still be starting: Claude Code offers a tool
    that waits for it, and that is called first.
    """

    def __call__(self, said: Said) -> Thought:
        offered = [name for name, _ in said.tools]
        if WAIT in offered and not [name for name in offered if name.startswith("mcp__")]:
            return Thought("", [(WAIT, {"servers": ["twotier"]})])
        return super().__call__(said)


def claude(sandbox: Sandbox, prompt: str, *flags: str, **env: str) -> str:
    """One `claude -p`; its last words."""
    said = ("-p", prompt, "--output-format", "json", *flags)
    if "PYTHONPATH" in os.environ:  # it starts our MCP server with what it has itself
        env["PYTHONPATH"] = os.environ["PYTHONPATH"]
    ran = sandbox.run(
        installed.claude_code(), *said, env={**CLAUDE_QUIET, **env}, seconds_max=SECONDS_MAX
    )
    assert ran.code == 0, ran
    (result,) = ran.lines()
    assert result["is_error"] is False, result
    text: str = result["result"]
    return text


def test_claude_code_has_files_read_on_this_machine(world: World, tmp_path: Path) -> None:
    """By default it keeps its own way to its models and gets our MCP server: the frontier calls
    the tool, the local tier reads. The sub-agent is among those it may start.
    """
    sandbox = world.sandbox(tmp_path)
    settings = sandbox.write(".claude/settings.json", '{"theme": "dark"}')
    told = connect(world, sandbox, "claude-code", "--write", "--test")
    tried(told, "mcp")
    assert told["key"] == ""
    before = world.served()
    call = {"paths": ["secret.txt"], "question": "Which word?"}
    world.think(Patient(("mcp__twotier__read_local", call)))
    text = claude(
        sandbox,
        "read secret.txt",
        *("--allowedTools", "mcp__twotier__read_local"),
        ANTHROPIC_BASE_URL=sandbox.base_url,
        ANTHROPIC_AUTH_TOKEN=world.key,
        ANTHROPIC_MODEL="claude-opus-4-6",
        ANTHROPIC_DEFAULT_HAIKU_MODEL="claude-opus-4-6",
        ENABLE_TOOL_SEARCH="false",
    )
    assert "cost $0.00" in text
    assert world.served()["local"] > before.get("local", 0)
    offered = json.dumps(world.frontier.bodies[-1])
    assert "twotier-reader" in offered
    connect(world, sandbox, "claude-code", "--undo")
    assert "twotier" not in (sandbox.home / ".claude.json").read_text()
    assert settings.read_text() == '{"theme": "dark"}'


def test_claude_code_sends_everything_through_the_gateway(world: World, tmp_path: Path) -> None:
    """With `--all`, and nothing in its environment: address, key and model come from its settings.
    A subscription is warned of first, and without a yes nothing is written.
    """
    sandbox = world.sandbox(tmp_path)
    login = {"claudeAiOauth": {"accessToken": "canary", "subscriptionType": "pro"}}
    sandbox.write(".claude/.credentials.json", json.dumps(login))
    settings = sandbox.home / ".claude" / "settings.json"
    connect(world, sandbox, "claude-code", "--all", "--write", code=2)
    assert not settings.exists()
    told = connect(world, sandbox, "claude-code", "--all", "--write", "--yes", "--test")
    tried(told, "/v1/messages")
    assert told["login"]["plan"] == "pro"
    world.plan(("Read", {"file_path": str(sandbox.secret)}))
    assert SECRET in claude(sandbox, "read secret.txt")
    clients = world.service.spend(by="client")
    assert told["key"] in clients
    connect(world, sandbox, "claude-code", "--undo")
    assert not settings.exists()
